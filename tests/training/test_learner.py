"""Accumulation, precision, batches made ahead, what the log has, writers, and several processes."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures import make_clips, make_questions, make_streams, small_options
from musicavqa.devices import check_device
from musicavqa.methods.card import Recipe
from musicavqa.records import Batch
from musicavqa.training import learner
from musicavqa.training.ahead import ahead
from musicavqa.training.data import Data
from musicavqa.training.loop import load_checkpoint, train
from musicavqa.training.writers import numbers_of

STREAMS = ("audio_yamnet", "visual_effnet")
RECIPE = Recipe(
    epochs=2, batch_questions=8, learning_rate=1e-3, schedule="constant", optimizer="adam"
)


def small_data():
    clips = make_clips(7, 3)
    questions = make_questions(clips, 4)
    return Data(
        name="synthetic",
        clips=clips,
        train=[q for q in questions if q.clip not in ("clip-0", "clip-6")],
        validation=[q for q in questions if q.clip in ("clip-0", "clip-6")],
        streams=make_streams(clips, STREAMS),
    )


def train_small(out, recipe=RECIPE, **more):
    return train("gru", small_options("gru"), recipe, small_data(), out, **more)


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def assert_alike(first, second, atol=1e-6):
    """Equal up to the order of sums."""
    for one, other in zip(log(first), log(second), strict=True):
        assert one["questions"] == other["questions"]
        assert one["losses"] == pytest.approx(other["losses"], rel=1e-5)
        assert one["validation_cells"] == other["validation_cells"]
    one, other = (load_checkpoint(run).model.state_dict() for run in (first, second))
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name], atol=atol, rtol=1e-4)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train_small(tmp_path_factory.mktemp("alone"))


def test_batches_that_are_accumulated_make_the_step_of_one_batch(alone, tmp_path):
    parts = dataclasses.replace(RECIPE, batch_questions=2, accumulate=4)
    assert_alike(train_small(tmp_path, parts), alone)


def test_a_last_step_of_fewer_batches_is_a_step_too(tmp_path):
    parts = dataclasses.replace(RECIPE, batch_questions=3, accumulate=4)  # 20 questions
    row = log(train_small(tmp_path, parts))[0]
    assert (row["steps"], row["questions"]) == (2, 20)


def test_the_log_has_the_accuracy_of_every_cell(alone):
    validation = small_data().validation
    for row in log(alone):
        cells = row["validation_cells"]
        asked = {cell: sum(q.cell == cell for q in validation) for cell in cells}
        assert sum(asked.values()) == len(validation)
        mean = sum(cells[cell] * n for cell, n in asked.items()) / len(validation)
        assert row["validation_accuracy"] == pytest.approx(mean)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_about_the_same_and_keeps_float32_weights(alone, tmp_path, precision):
    folder = train_small(tmp_path, dataclasses.replace(RECIPE, precision=precision))
    for one, other in zip(log(folder), log(alone), strict=True):
        assert one["losses"] != other["losses"]
        assert one["losses"]["answer"] == pytest.approx(other["losses"]["answer"], rel=0.02)
    weights = load_checkpoint(folder).model.state_dict().values()
    assert {weight.dtype for weight in weights} == {torch.float32}


def test_a_run_in_half_precision_goes_on_with_its_scale(tmp_path, monkeypatch):
    recipe = dataclasses.replace(RECIPE, precision="float16", accumulate=2, batch_questions=4)
    whole = train_small(tmp_path / "whole", recipe)
    original, calls = learner.loss_parts, []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(learner, "loss_parts", stops)
        with pytest.raises(KeyboardInterrupt):
            train_small(tmp_path / "part", recipe)
    state = next((tmp_path / "part").rglob("state.safetensors"))
    assert learner.load_progress(state).scaler["scale"] > 1
    one, other = (
        load_checkpoint(run).model.state_dict()
        for run in (whole, train_small(tmp_path / "part", recipe))
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("scaler", [7, {}, {"scale": "wide"}])
def test_a_state_with_another_scale_is_damaged(tmp_path, scaler):
    from safetensors.numpy import save_file

    about = {"progress": json.dumps({"epoch": 1, "log": [], "scaler": scaler})}
    save_file({"x": np.zeros(1)}, tmp_path / "state.safetensors", about)
    with pytest.raises(ValueError, match=r"is damaged \(scaler is"):
        learner.load_progress(tmp_path / "state.safetensors")


def batches(n, fail_at=None):
    for place in range(n):
        if place == fail_at:
            raise ValueError(f"batch {place} cannot be read")
        rows = torch.full((1, 1), place)
        yield Batch([str(place)], {}, rows.bool(), rows[0], rows)


def n_threads():
    return sum(thread.name == "batches" for thread in threading.enumerate())


def test_batches_made_ahead_come_in_order_and_their_errors_too():
    assert [batch.keys for batch in ahead(batches(9), "cpu")] == [[str(n)] for n in range(9)]
    coming = ahead(batches(5, fail_at=2), "cpu")
    assert [next(coming).keys, next(coming).keys] == [["0"], ["1"]]
    with pytest.raises(ValueError, match="batch 2 cannot be read"):
        next(coming)
    assert n_threads() == 0


def test_the_thread_ends_when_nobody_wants_more():
    coming = ahead(batches(1000), "cpu")
    next(coming)
    assert n_threads() == 1
    coming.close()
    assert n_threads() == 0


def test_tensorboard_gets_the_numbers_of_the_log(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = train_small(tmp_path, writers=("tensorboard",))
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    for name in ("losses/answer", "validation_accuracy"):
        told = [(event.step, event.value) for event in events.Scalars(name)]
        wanted = [numbers_of(row)[name] for row in log(folder)]
        assert told == [(step, pytest.approx(value)) for step, value in enumerate(wanted)]


class Bench:
    """Stands for the package wandb: keeps what it is told."""

    def __init__(self):
        self.told, self.about, self.finished = [], None, False

    def init(self, **about):
        self.about = about
        return self

    def log(self, numbers, step):
        self.told.append((step, numbers))

    def finish(self):
        self.finished = True


def test_weights_and_biases_gets_the_numbers_and_the_settings(tmp_path, monkeypatch):
    bench = Bench()
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=bench.init))
    folder = train_small(tmp_path, writers=("wandb",))
    assert bench.told == [(step, numbers_of(row)) for step, row in enumerate(log(folder))]
    assert bench.about["config"]["recipe"]["batch_questions"] == 8
    assert bench.about["id"] == f"synthetic-gru-{folder.name}"
    assert bench.finished


def test_a_writer_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no writer 'paper'. There are: tensorboard, wandb"):
        train_small(tmp_path, writers=("paper",))


@pytest.mark.parametrize(
    ("device", "told"), [("gpu", "no device 'gpu'"), ("meta", "Nothing here computes on 'meta'")]
)
def test_a_device_that_is_not_here_is_refused(device, told):
    with pytest.raises(ValueError, match=told):
        check_device(device)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no GPU here for --device cuda"):
            check_device("cuda")


def test_plugins_that_change_gradients_want_a_step_of_one_batch(tmp_path):
    with pytest.raises(ValueError, match="Plug-in ogm changes the gradients of a whole batch"):
        train_small(tmp_path, dataclasses.replace(RECIPE, accumulate=2), plugins={"ogm": None})


TOGETHER = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2].split(os.pathsep)
import torch
torch.set_num_threads(1)
import test_learner
from musicavqa.training import learner
if len(sys.argv) > 3:
    original = learner.save_state
    def save(*arguments):
        original(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    learner.save_state = save
print(test_learner.train_small(Path(sys.argv[1])))
"""


def together(folder, *more, size=2):
    """Train in two processes over gloo, as `accelerate launch --cpu` starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = os.pathsep.join(
        str(place) for place in (Path(__file__).parents[1], *Path(__file__).parents[:1])
    )
    command = [sys.executable, "-c", TOGETHER, str(folder), here, *more]
    facts = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    facts |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, **facts, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(size)
    ]  # fmt: skip
    said = [process.communicate(timeout=240) for process in started]
    return [process.returncode for process in started], said


def test_two_processes_give_the_losses_and_weights_of_one(alone, tmp_path):
    pytest.importorskip("accelerate")
    codes, said = together(tmp_path)
    assert codes == [0, 0], said
    folders = {Path(out.strip()) for out, _ in said}
    assert len(folders) == 1
    folder = folders.pop()
    assert folder.name == alone.name
    assert json.loads((folder / "run.json").read_text())["processes"] == 2
    assert_alike(folder, alone, atol=1e-5)


@pytest.mark.slow
def test_two_processes_of_which_one_was_killed_go_on(alone, tmp_path):
    pytest.importorskip("accelerate")
    codes, _ = together(tmp_path, "kill")
    assert codes[0] == -9
    assert codes[1] != 0
    assert not list(tmp_path.rglob("run.json"))
    codes, said = together(tmp_path)
    assert codes == [0, 0], said
    assert_alike(Path(said[0][0].strip()), alone, atol=1e-5)


def test_the_parts_of_two_processes_draw_the_same_questions(tmp_path):
    from musicavqa.training.batches import Collation, make_batches

    data = small_data()

    def keys(part):
        collation = Collation(max_questions_per_clip=2, part=part)
        rng = np.random.default_rng(0)
        return [
            b.keys for b in make_batches(data.clips, data.train, data.streams, 3, rng, collation)
        ]

    whole = keys((0, 1))
    halves = zip(keys((0, 2)), keys((1, 2)), strict=True)
    assert [sorted(one + other) for one, other in halves] == [sorted(group) for group in whole]
