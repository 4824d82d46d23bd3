"""A study that was killed ends as one that was not; shards that are there are kept."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from musicavqa.training.lessons import ear
from musicavqa.training.lessons import study as studies
from musicavqa.training.lessons.ear import Batches, n_made
from musicavqa.training.lessons.shards import make_material
from musicavqa.training.lessons.study import Desk, Plan, study

PLAN = Plan("small", 12, 1e-2, weight_decay=0.02, gradient_clip=5.0, n_warm=3)


class Killed(Exception):
    pass


def silent(done, total, remark):
    pass


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))


def learn(folder, tell=silent, seed=0):
    folder.mkdir(exist_ok=True)
    learner = network()

    def losses(step):
        rows = np.random.default_rng([seed, step]).standard_normal((16, 4))
        x = torch.from_numpy(rows.astype(np.float32))
        return {"distance": F.mse_loss(learner(x)[:, 0], x.sum(1))}

    study(learner, PLAN, losses, Desk(folder, seed, tell))
    return learner.state_dict()


def killer(at):
    def tell(done, total, remark):
        if done == at:
            raise Killed

    return tell


@pytest.mark.parametrize("at", [1, 5, 12])
def test_a_killed_study_ends_with_the_same_weights(tmp_path, monkeypatch, at):
    whole = learn(tmp_path / "whole")
    monkeypatch.setattr(studies, "SAVE_S", -1.0)  # after every step
    with pytest.raises(Killed):
        learn(tmp_path / "killed", killer(at))
    seen = []
    again = learn(tmp_path / "killed", lambda done, total, remark: seen.append(done))
    assert seen == list(range(at + 1, 13))
    for name, value in whole.items():
        assert torch.equal(value, again[name]), name
    log = [json.loads(line) for line in (tmp_path / "killed/small.jsonl").read_text().splitlines()]
    assert [row["steps"] for row in log] == list(range(1, 13))


def test_a_finished_study_is_not_repeated(tmp_path):
    first = learn(tmp_path)
    again = learn(tmp_path, killer(1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not list(tmp_path.glob("*.state.*"))
    assert load_file(tmp_path / "small.safetensors").keys() == first.keys()


def test_another_seed_gives_other_weights(tmp_path):
    one, other = learn(tmp_path / "one"), learn(tmp_path / "other", seed=1)
    assert not torch.equal(one["0.weight"], other["0.weight"])


def test_a_loss_that_is_no_number_stops(tmp_path):
    learner = network()

    def losses(step):
        return {"distance": learner(torch.full((4, 4), torch.nan)).mean()}

    with pytest.raises(ValueError, match="small: the loss of step 0 is nan"):
        study(learner, PLAN, losses, Desk(tmp_path, 0, silent))


def test_the_learning_rate_rises_and_falls():
    rates = [PLAN.rate(step) for step in range(12)]
    assert np.argmax(rates) == 2
    assert rates[0] == pytest.approx(1e-2 / 3)
    assert all(a > b for a, b in pairwise(rates[2:]))
    assert PLAN.rate(12) == pytest.approx(2e-4)


def squares(start, stop):
    return np.arange(start, stop, dtype=np.float32)[:, None] ** 2, list(range(start, stop))


def refuse(start, stop):
    raise Killed


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_material_is_the_same_by_any_number_of_workers(tmp_path, workers):
    found = make_material(tmp_path, 7, 3, squares, workers, silent)
    assert found.truths == list(range(7))
    assert found.rows([6, 0, 3])[:, 0].tolist() == [36, 0, 9]
    assert len(found) == 7


def test_shards_that_are_there_are_kept(tmp_path):
    make_material(tmp_path, 7, 3, squares, 1, silent)
    assert len(make_material(tmp_path, 7, 3, refuse, 1, silent)) == 7
    (tmp_path / "000003.json").unlink()
    with pytest.raises(Killed):
        make_material(tmp_path, 7, 3, refuse, 1, silent)
    assert make_material(tmp_path, 7, 3, squares, 1, silent).truths == list(range(7))


def test_every_second_batch_of_the_ear_is_heard_again():
    made = [n_made(step + 1) - n_made(step) for step in range(200)]
    assert made[:60] == [1] * 60
    assert made[60:] == [1, 0] * 70


def test_what_the_ear_hears_at_a_step_does_not_depend_on_what_came_before(monkeypatch):
    def mixed(batches, number):
        rows = np.full((1, 1, 2, 50, 64), number, np.float16)
        return batches.kept.setdefault(number, (rows, {}))

    monkeypatch.setattr(Batches, "_mixed", mixed)
    running = Batches(None, 1, 1, (3,))
    before = [running.of(step)[0] for step in range(90)]
    for step in (0, 59, 61, 75, 89):
        assert (Batches(None, 1, 1, (3,)).of(step)[0] == before[step]).all()
    assert len(running.kept) <= 121


def test_no_way_of_learning_hears_the_mixes_of_another(monkeypatch, tmp_path):
    heard = []

    def study(network, plan, losses, desk):
        batches = losses.args[1]
        heard.append((plan.name, batches.n_mixes, batches.n_seconds, batches.seed))

    monkeypatch.setattr(ear, "study", study)
    ear.learn_ear(None, None, ear.Steps(1, 1, 1), Desk(tmp_path, 5, silent))
    assert heard == [
        ("ear-short", 72, 2, (5, 0)), ("ear-whole", 16, 10, (5, 1)), ("ear", 16, 10, (5, 2))
    ]  # fmt: skip
