"""Gestures: when hands play, who sounds when, and whether the sound goes with the movements."""

import numpy as np
import pytest
import torch

from musicavqa.methods.layers.gestures import (
    BANDS,
    MOST_IN_STEP,
    Gestures,
    InStep,
    Times,
    bands_of,
    facts_of,
    heard_at,
    losses,
)
from musicavqa.training.lessons.gestures import make_takes, unsure
from musicavqa.training.lessons.stems import LENGTH_S

GAIN_MEAN, WEIGHT_MAX, CORRELATION_MAX = 0, 3, 5
"""Places among the facts of loudness."""


def curves(*played):
    """(P, 2, K) gestures that are sure of when each plays."""
    plays = torch.stack([torch.as_tensor(p, dtype=torch.float32) for p in played])
    return torch.stack([8 * plays - 4, torch.full_like(plays, -2.0)], 1)


def lines(n, n_ticks=100, seed=0):
    """Who plays for a second or two now and then."""
    rng = np.random.default_rng(seed)
    return [np.repeat(rng.integers(0, 2, n_ticks // 5), 5).astype(np.float32) for _ in range(n)]


def sound_of_lines(*played, n_bands=BANDS):
    """(2, K, 16): every line sounds in bands of its own."""
    bands = torch.zeros(2, len(played[0]), n_bands)
    for place, line in enumerate(played):
        bands[0, :, place::4] += torch.from_numpy(line)[:, None]
    return bands


def test_who_is_in_step_explains_sound_that_the_others_do_not():
    heard, other, pretended = lines(3)
    facts = facts_of(curves(heard, other, pretended), torch.ones(3), sound_of_lines(heard, other))
    assert facts.shape[0] == 3
    for name in (GAIN_MEAN, WEIGHT_MAX, CORRELATION_MAX):
        assert facts[0, name] > 2 * facts[2, name].abs()
        assert facts[1, name] > 2 * facts[2, name].abs()


def test_leaving_one_out_is_what_the_regression_without_him_loses():
    played = lines(3, seed=1)
    bands = sound_of_lines(*played[:2])
    gain = facts_of(curves(*played), torch.ones(3), bands)[:, GAIN_MEAN]
    y = bands[0] - bands[0].mean(0)
    y = (y / y.std(0, correction=0).clamp(min=0.02)).double()
    x = torch.sigmoid(curves(*played)[:, 0]).T.double()
    x = (x - x.mean(0)) / x.std(0, correction=0)

    def left(columns):
        own, n = x[:, columns], len(x)
        weight = torch.linalg.solve(
            own.T @ own / n + 0.05 * torch.eye(len(columns)).double(), own.T @ y / n
        )
        return ((y - own @ weight) ** 2).mean(0) + 0.05 * (weight**2).sum(0)

    for one in range(3):
        others = [i for i in range(3) if i != one]
        expected = (left(others) - left([0, 1, 2])).clamp(min=0).sqrt().mean()
        assert gain[one].item() == pytest.approx(expected.item(), abs=2e-3)


def test_who_does_not_move_tells_nothing_and_takes_nothing_from_others():
    played = lines(2)
    bands = sound_of_lines(*played)
    step = InStep(0.0).eval()
    moves = torch.tensor([1.0, 0.0])
    said = step(curves(*played), moves, bands)
    assert said[1] == 0
    alone = facts_of(curves(played[0]), torch.ones(1), bands)
    both = facts_of(curves(*played), moves, bands)
    torch.testing.assert_close(both[:1, :8], alone[:, :8])
    assert said.abs().max() <= MOST_IN_STEP


def test_at_first_who_sounds_when_is_what_the_ear_says():
    torch.manual_seed(0)
    activity = torch.rand(2, 30)
    heard = heard_at(activity, torch.rand(2, 30), activity.amax(1))
    times = Times(8, 0.0).eval()
    said = times(torch.randn(2, 2, 30), heard, torch.ones(2), torch.rand(30, 8))
    assert torch.equal(said.argsort(1), heard[:, 0].argsort(1))
    twice = times(torch.randn(2, 2, 30), heard, torch.ones(2), torch.rand(30, 8).expand(2, -1, -1))
    torch.testing.assert_close(said, twice)


def test_a_tick_is_judged_beside_the_likeliest_half_second():
    activity = torch.tensor([[0.02, 0.1, 0.05]])
    heard = heard_at(activity, torch.zeros(1, 3), torch.tensor([0.1]))
    assert torch.sigmoid(4 * heard[0, 0]).tolist() == pytest.approx([0.2, 1.0, 0.5], abs=1e-3)
    assert torch.sigmoid(4 * heard[0, 1]).tolist() == pytest.approx([0.02, 0.1, 0.05], abs=1e-3)


def test_gestures_learn_who_moves_while_he_plays():
    torch.manual_seed(0)
    net = Gestures(84, 16, 0.0)
    line = torch.from_numpy(np.stack(lines(8)))
    points = 0.1 * torch.rand(8, 100, 84) + line[..., None] * torch.rand(8, 1, 84)
    shares, onsets = torch.eye(22)[:8], torch.zeros(8, 100)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(40):
        found = losses(net(points, shares), line, onsets, torch.ones(8))
        optimizer.zero_grad()
        sum(found.values()).backward()
        optimizer.step()
    said = net(points, shares)
    assert ((said[:, 0] > 0) == (line > 0.5)).float().mean() > 0.95
    assert said[:, 1].exp().mean() < 0.2


def test_what_is_not_known_is_not_learned_from():
    said = torch.randn(2, 2, 20, requires_grad=True)
    found = losses(said, torch.ones(2, 20), torch.ones(2, 20), torch.tensor([1.0, 0.0]))
    sum(found.values()).backward()
    assert said.grad[0].abs().min() > 0
    assert said.grad[1].abs().max() == 0


def test_bands_are_the_loudest_of_their_neighbours_and_rise_within_a_tick():
    logmel = torch.zeros(1, 1, 50, 64)
    logmel[0, 0, 7:, 6] = 2.0
    level, rise = bands_of(logmel, BANDS)
    assert level[:, 1].tolist() == pytest.approx([0, 1.2, *[2.0] * 8])
    assert rise[:, 1].tolist() == pytest.approx([0, 2.0, *[0.0] * 8])
    assert level[:, 0].abs().max() == rise[:, 0].abs().max() == 0


def test_half_of_what_an_ear_says_is_made_unsure_and_onsets_stay():
    torch.manual_seed(0)
    heard = torch.randn(200, 3, 50)
    said = unsure(heard)
    same = (said[:, 0] == heard[:, 0]).all(1)
    assert 0.3 < same.float().mean() < 0.7
    assert torch.equal(said[:, 2], heard[:, 2])


def test_a_take_has_movement_sound_and_what_everybody_does(tmp_path):
    takes = make_takes(tmp_path, 1, 1, lambda *_: None)
    row, truth = takes.rows([0])[0].astype(np.float32), takes.truths[0]
    assert row.shape == (10 * LENGTH_S, 24 * 32 + 5 * 64)
    assert np.isfinite(row).all()
    assert max(truth["moves"]) == 1
    n = len(truth["performers"])
    assert all(len(truth[key]) == n for key in ("heard", "moves", "line", "line_onsets"))
    assert np.shape(truth["line"]) == (n, 100)
    moving = row[:, : 24 * 32].reshape(100, 24, 32)
    assert moving.max() > 0


def test_silence_and_stillness_can_be_learned_from():
    gestures = torch.randn(2, 2, 30, requires_grad=True)
    facts_of(gestures, torch.tensor([1.0, 0.0]), torch.zeros(2, 30, BANDS)).sum().backward()
    assert gestures.grad.isfinite().all()
