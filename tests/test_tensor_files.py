"""Files of tensors are read without running what they hold, or refused in one line."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from musicavqa.tensor_files import (
    TensorFileError,
    read_safetensors,
    read_torch_file,
    tensors_by_name,
)


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.halved = nn.Parameter(torch.randn(3, 4).half())
        self.turned = nn.Parameter(torch.arange(12.0).view(3, 4).t())
        self.none = nn.Parameter(torch.zeros(0, 3))
        self.register_buffer("count", torch.tensor(7))
        self.sizes = [1, 2]

    def forward(self, x):
        return x + self.count


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.parts = nn.ModuleList([nn.Linear(2, 3), nn.BatchNorm1d(2)])

    def forward(self, x):
        return self.inner(x)


class Loud(nn.Module):
    """Its own code unpacks it, and prints while it is loaded."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.training = False

    @torch.jit.export
    def __getstate__(self):
        return (self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        print("THE FILE RAN")
        self.weight = state[0]
        self.training = state[1]

    def forward(self, x):
        return x * self.weight


@pytest.mark.parametrize(
    "compiled", [torch.jit.script, lambda m: torch.jit.trace(m, torch.ones(1))]
)
def test_tensors_of_a_torchscript_archive_are_those_of_its_state_dict(tmp_path, compiled):
    model = compiled(Outer())
    model.save(str(tmp_path / "x.pt"))
    found, wanted = read_torch_file(tmp_path / "x.pt"), model.state_dict()
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype


def test_no_code_of_a_torchscript_archive_runs(tmp_path, capfd):
    path = tmp_path / "loud.pt"
    torch.jit.script(Loud()).save(str(path))
    torch.jit.load(str(path))
    assert "THE FILE RAN" in capfd.readouterr().out  # so it does where it is let
    with pytest.raises(TensorFileError, match="code of its own"):
        read_torch_file(path)
    assert "RAN" not in "".join(capfd.readouterr())


class Trap:
    def __reduce__(self):
        return (os.mkdir, ("trapped",))


def rewritten(source, target, name, content, kind=zipfile.ZIP_STORED):
    """The archive with one member replaced; `name` is the end of its name."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            hit = member.endswith(name)
            new.writestr(member, content if hit else old.read(member), kind if hit else 0)
    return target


@pytest.mark.parametrize("held", [Trap(), {"w": Trap()}, {"__torch__": Trap()}])
def test_a_pickle_that_calls_is_refused_in_any_archive(tmp_path, monkeypatch, held):
    monkeypatch.chdir(tmp_path)
    torch.jit.script(Outer()).save("whole.pt")
    torch.save({"w": torch.ones(1)}, "plain.pt")
    for number, whole in enumerate(("whole.pt", "plain.pt")):
        path = rewritten(
            tmp_path / whole, tmp_path / f"{number}.pt", "data.pkl", pickle.dumps(held, 2)
        )
        with pytest.raises(TensorFileError):
            read_torch_file(path)
    assert not (tmp_path / "trapped").exists()


def test_a_small_file_cannot_ask_for_much_memory(tmp_path):
    torch.jit.script(Outer()).save(str(tmp_path / "whole.pt"))
    bomb = rewritten(
        tmp_path / "whole.pt", tmp_path / "bomb.pt", "data/0", bytes(1 << 24), zipfile.ZIP_DEFLATED
    )
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(TensorFileError, match="compressed"):
        read_torch_file(bomb)
    torch.save({"w": torch.ones(1).expand(1 << 40)}, tmp_path / "wide.pt")
    with pytest.raises(TensorFileError, match="fewer values"):
        tensors_by_name(read_torch_file(tmp_path / "wide.pt"), tmp_path / "wide.pt")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"<html>gone</html>", b"\x80\x02", b"PK\x03\x04" + bytes(40)]
)
@pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
def test_what_is_no_file_of_tensors_is_told_in_one_line(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    read = read_safetensors if name.endswith("tensors") else read_torch_file
    with pytest.raises(TensorFileError, match=name) as told:
        read(path)
    assert "\n" not in str(told.value)
    assert "again" in str(told.value) or "Save model" in str(told.value)
    with pytest.raises(FileNotFoundError, match="no file"):
        read(tmp_path / "absent")


def test_every_cut_of_a_file_is_told(tmp_path):
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(5), "b": torch.zeros(2, 2)}, buffer)
    save_file({"a": torch.ones(5), "b": torch.zeros(2, 2)}, tmp_path / "x.safetensors")
    for name, whole, read in (
        ("x.pt", buffer.getvalue(), read_torch_file),
        ("x.safetensors", (tmp_path / "x.safetensors").read_bytes(), read_safetensors),
    ):
        for n_bytes in range(0, len(whole), max(1, len(whole) // 40)):
            (tmp_path / name).write_bytes(whole[:n_bytes])
            with pytest.raises(TensorFileError):
                read(tmp_path / name)
