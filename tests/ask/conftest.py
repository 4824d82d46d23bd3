"""A small untrained bandleader as a run: what is said is noise, how it is said is not."""

from __future__ import annotations

import pytest

from musicavqa.ask import asking


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """Folder of a run of `bandleader` with random weights."""
    import torch

    from musicavqa.methods.registry import load_method, save_checkpoint

    method = load_method("bandleader")
    sizes = {"eye_width": 16, "eye_blocks": 1, "ear_width": 16, "fit_width": 8, "tables": 40}
    torch.manual_seed(0)
    model = method.build(method.options(sizes))
    with torch.no_grad():  # or else nobody at all would be found
        model.eye.out.bias[0] = 0.0
    folder = tmp_path_factory.mktemp("run")
    save_checkpoint(folder / "checkpoint.safetensors", method, model.eval())
    return folder


@pytest.fixture(autouse=True)
def small_default(run_folder, monkeypatch):
    """The command line and `ask` take the small run where none is named."""
    monkeypatch.setattr(asking, "DEFAULT_CHECKPOINT", run_folder)
