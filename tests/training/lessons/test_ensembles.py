"""Ensembles of performers from many scenes: who is heard is heard, and looks as he behaves."""

import numpy as np
import pytest
import torch

from musicavqa.methods.layers.fitting import EDGE_PAN
from musicavqa.questions import INSTRUMENTS
from musicavqa.training.lessons import fit
from musicavqa.training.lessons.ensembles import Cast, draw_roles, sound_together
from musicavqa.training.lessons.shards import Material

N_TICKS = 100
CELLO, VIOLIN, FLUTE = (INSTRUMENTS.index(name) for name in ("cello", "violin", "flute"))


def line(rng):
    played = np.repeat(rng.random(10) < 0.6, 10).astype(float)
    return played.tolist(), (played * (rng.random(N_TICKS) < 0.3)).tolist()


def scene(rng):
    """Two cellos, one of which moves, a violin that may, and the sound of a flute."""
    lines = [line(rng) for _ in range(3)]
    sound = {name: np.zeros((N_TICKS, 22)) for name in ("activity", "onsets", "pan")}
    sound["activity"][:, FLUTE], sound["pan"][:, FLUTE] = 1.0, 0.3
    names = [CELLO, CELLO, VIOLIN]
    return {
        "performers": [
            [name, float(x), 0.5, 0.6] for name, x in zip(names, rng.random(3), strict=True)
        ],
        "heard": [0.0, 1.0, 0.0],
        "moves": [1.0, 0.0, float(rng.random() < 0.5)],
        "line": [played for played, _ in lines],
        "line_onsets": [onsets for _, onsets in lines],
        **{name: values.tolist() for name, values in sound.items()},
    }


@pytest.fixture(scope="module")
def truths():
    rng = np.random.default_rng(0)
    return [scene(rng) for _ in range(12)]


SEEDS = range(30)


@pytest.mark.parametrize("seed", SEEDS)
def test_somebody_is_heard_and_looks_as_he_behaves(truths, seed):
    cast = Cast.of(truths)
    name, roles = draw_roles(cast, np.random.default_rng(seed))
    assert name in cast.instruments
    assert any(role.line for role in roles)
    assert len({role.look for role in roles if role.look in cast.moving[name]}) == sum(
        role.look in cast.moving[name] for role in roles
    )  # nobody moves twice
    for role in roles:
        assert role.look in cast.moving[name] or role.look in cast.still[name]
        if role.look in cast.moving[name] and role.line:
            assert role.line == role.look  # who moves and is heard moves to what is heard


@pytest.mark.parametrize("seed", SEEDS)
def test_the_sound_is_of_those_who_are_heard(truths, seed):
    rng = np.random.default_rng(seed)
    name, roles = draw_roles(Cast.of(truths), rng)
    sound = sound_together(truths, name, roles, rng)
    heard = [role.line for role in roles if role.line]
    lines = np.array([truths[who.scene]["line"][who.performer] for who in heard])
    assert (sound["activity"][:, name] == lines.max(0)).all()
    onsets = np.array([truths[who.scene]["line_onsets"][who.performer] for who in heard])
    assert (sound["onsets"][:, name] == onsets.sum(0)).all()
    assert (sound["activity"][:, FLUTE] == 1).all()  # the others go on
    if len(heard) == 1 and sound["pan"].any():
        look = next(role.look for role in roles if role.line)
        side = EDGE_PAN * (2 * truths[look.scene]["performers"][look.performer][1] - 1)
        found = sound["pan"][lines[0] > 0, name] / side
        assert ((found >= 0.5) & (found <= 1)).all()
        assert not sound["pan"][lines[0] == 0, name].any()


def test_without_enough_who_move_there_is_no_ensemble(truths):
    assert Cast.of(truths).instruments == [CELLO] or VIOLIN in Cast.of(truths).instruments
    assert Cast.of(truths[:3]).instruments == []


@pytest.mark.parametrize("seed", range(10))
def test_of_an_ensemble_only_those_play_whose_instrument_sounds(truths, seed):
    rng = np.random.default_rng(seed)
    rows = rng.random((len(truths), N_TICKS, 24, 32)).astype(np.float16)
    group = fit._ensemble(Material([rows], truths), Cast.of(truths), rng)
    n = len(group.plays)
    assert group.points.shape == (n, N_TICKS, 84)
    assert group.sound.shape == (n, N_TICKS, 6)
    assert (group.plays <= group.active).all()
    assert (group.shares.argmax(1) == group.shares[0].argmax()).all()
    said = fit.Fitting(8)(group.points, group.sound, group.shares)
    assert torch.isfinite(said.sounds).all()
