"""Mixes of constructed stems keep their truth, and sound as `audio_logmel` would hear them."""

import numpy as np
import pytest

from musicavqa.features.encoders.audio_logmel import LogMel
from musicavqa.training.lessons import mixes, rooms
from musicavqa.training.lessons.mixes import Bank, Mix, Part, draw_mix, powers
from musicavqa.training.lessons.shards import Material
from musicavqa.training.lessons.stems import power

RATE_HZ = 32000
RMS = 0.1


def noise(seed, low_hz, high_hz):
    """10 s of noise between two frequencies, of RMS 0.1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(10 * RATE_HZ))
    frequency = np.fft.rfftfreq(10 * RATE_HZ, 1 / RATE_HZ)
    spectrum[(frequency < low_hz) | (frequency > high_hz)] = 0
    sound = np.fft.irfft(spectrum)
    return (sound * RMS / np.sqrt(np.mean(sound**2))).astype(np.float32)


SOUNDS = [noise(0, 300, 900), noise(1, 1500, 4000)]
ACTIVITY = [[1.0] * 50 + [0.0] * 50, [0.0] * 20 + [0.5] + [1.0] * 79]
ONSETS = [[1] + [0] * 99, [0] * 20 + [2] + [0] * 79]


def known(row, font):
    return {
        "instrument": (3, 7)[row], "font": font, "scene": row,
        "activity": ACTIVITY[row], "onsets": ONSETS[row],
    }  # fmt: skip


@pytest.fixture(scope="module")
def bank():
    rows = np.stack([power(sound) for sound in SOUNDS])
    stems = Material([rows], [known(0, 0), known(1, 1)])
    return Bank(stems, Material([rows[:1]], [150]))


def both(levels=(0.0, -8.0), pans=(-0.6, 0.4), first_tick=0, n_seconds=10, speech=None):
    parts = [Part(i, *pair) for i, pair in enumerate(zip(levels, pans, strict=True))]
    return Mix(parts, n_seconds, first_tick, True, speech)


def heard(mix, bank):
    return rooms._rows(powers(bank, mix)[None])[0]


def test_powers_of_a_mix_are_those_of_the_mixed_sound(bank):
    import soxr

    mix = both()
    stereo = np.zeros((2, 10 * RATE_HZ), np.float32)
    for part in mix.parts:
        angle = (part.pan + 1) * np.pi / 4
        loud = SOUNDS[part.place] * 10 ** (part.level_db / 20)
        stereo += np.outer([np.cos(angle), np.sin(angle)], loud).astype(np.float32)
    low = np.stack([soxr.resample(side, RATE_HZ, 16000, "MQ") for side in stereo])
    rows = LogMel().rows(np.pad(low[:, :160000], ((0, 0), (352, 352))))
    away = np.abs(heard(mix, bank) - rows.astype(np.float32))
    loud = rows[:, 0].astype(np.float32) > -1.0
    assert np.median(away[:, 0][loud]) < 0.02  # half a dB
    assert np.median(away[:, 1][loud]) < 0.02


@pytest.mark.parametrize("level_db", [-12.0, -4.0, 0.0])
def test_a_level_is_that_much_power(bank, level_db):
    loud, soft = (powers(bank, Mix([Part(0, x, 0.0)], 10, 0, False)) for x in (0.0, level_db))
    assert 10 * np.log10(soft.sum() / loud.sum()) == pytest.approx(level_db, abs=0.01)


def test_panning_keeps_the_power_and_goes_to_its_side(bank):
    for pan in (-0.8, 0.0, 0.8):
        middle, left, right = powers(bank, Mix([Part(0, 0.0, pan)], 10, 0, True)).sum((1, 2))
        whole = powers(bank, Mix([Part(0, 0.0, 0.0)], 10, 0, False))[1:].sum()
        assert left + right == pytest.approx(whole, rel=1e-4)
        assert np.sign(right - left) == np.sign(pan) or abs(right - left) < 1e-3 * left
        assert middle <= left + right


def test_an_equalizer_leaves_the_loudness_as_it_is(bank):
    rng = np.random.default_rng(0)
    shapes = [mixes._equalizer(bank, 1, False, rng) for _ in range(20)]
    shapes = [shape for shape in shapes if shape is not None]
    assert 5 < len(shapes) < 20
    plain = powers(bank, Mix([Part(1, 0.0, 0.0)], 10, 0, False))
    for shape in shapes:
        other = powers(bank, Mix([Part(1, 0.0, 0.0, shape)], 10, 0, False))
        assert np.ptp(shape) > 0.5
        assert other.sum() == pytest.approx(plain.sum(), rel=0.05)
    assert mixes._equalizer(bank, 1, True, rng) is None


def test_the_truth_of_a_mix_is_that_of_its_players(bank):
    found = mixes.truth(bank, both())
    assert found["activity"][:, 3] == pytest.approx(ACTIVITY[0])
    assert found["activity"][:, 7] == pytest.approx(ACTIVITY[1])
    assert found["activity"].sum() == pytest.approx(sum(map(sum, ACTIVITY)))
    assert found["onsets"][:, 7] == pytest.approx(ONSETS[1])
    assert found["pan"][ACTIVITY[0].index(1.0), 3] == pytest.approx(-0.6)
    assert not found["pan"][60, 3]
    assert found["level_db"][[3, 7]] == pytest.approx([0.0, -8.0])
    assert np.isnan(found["level_db"]).sum() == 20
    assert found["stereo"] == 1
    assert not found["speech"].any()


def test_two_players_of_one_instrument_are_one_sound(bank):
    mix = Mix([Part(0, -8.0, -0.5), Part(0, -2.0, 0.5)], 10, 0, True)
    found = mixes.truth(bank, mix)
    weights = 10 ** (np.array([-8.0, -2.0]) / 10)
    assert found["activity"][:, 3].max() == 1
    assert found["onsets"][0, 3] == 2
    assert found["level_db"][3] == pytest.approx(-2.0)
    assert found["pan"][0, 3] == pytest.approx(weights @ [-0.5, 0.5] / weights.sum())


def test_a_crop_takes_sound_and_truth_of_the_same_time(bank):
    crop, whole = both(first_tick=20, n_seconds=2), both()
    assert powers(bank, crop) == pytest.approx(powers(bank, whole)[:, 100:200])
    for name in ("activity", "onsets", "pan"):
        assert (mixes.truth(bank, crop)[name] == mixes.truth(bank, whole)[name][20:40]).all()


def test_speech_is_true_where_it_is_heard(bank):
    mix = Mix([], 10, 0, False, speech=(0, 200, 0.0))
    assert np.flatnonzero(mixes.truth(bank, mix)["speech"])[[0, -1]] == pytest.approx([40, 70])
    level = powers(bank, mix)[0].sum(1)
    assert np.flatnonzero(level > 0)[[0, -1]] == pytest.approx([200, 349])


def test_drawn_mixes_keep_what_they_promise(bank):
    rng = np.random.default_rng(0)
    drawn = [draw_mix(bank, 2, rng) for _ in range(200)]
    assert all(len(mix.parts) <= mixes.MOST_PLAYERS for mix in drawn)
    assert all(0 <= mix.first_tick <= 80 for mix in drawn)
    assert all(not part.pan for mix in drawn if not mix.stereo for part in mix.parts)
    shares = [
        np.mean([mix.stereo for mix in drawn]),
        np.mean([mix.speech is not None for mix in drawn]),
        np.mean([not mix.parts for mix in drawn]),
    ]
    assert shares == pytest.approx([0.5, 0.35, 0.03], abs=0.12)
    usual = np.mean([all(part.place == 0 for part in mix.parts) for mix in drawn])
    assert 0.6 < usual < 0.95  # the other font is heard in some of the rest


def test_rooms_and_noise_do_not_move_the_sound(bank):
    rows = rooms.recorded(np.stack([powers(bank, both())] * 20), np.random.default_rng(0))
    assert rows.shape == (20, 10, 2, 50, 64)
    assert np.isfinite(rows).all()
    assert np.abs(rows[:, :, 1]).max() <= 1
    loud = rows[:, :, 0].reshape(20, 500, 64)
    dry = heard(both(), bank)[:, 0].reshape(500, 64)
    for one in loud:  # what is loud in the dry mix is loud in the room
        assert np.corrcoef(one.ravel(), dry.ravel())[0, 1] > 0.6


def test_no_first_font_is_told():
    rows = np.zeros((1, 500, 64), np.float16)
    with pytest.raises(ValueError, match="first soundfont"):
        Bank(Material([rows], [known(0, 1)]), Material([rows], [100]))


@pytest.fixture
def gated():
    """A stem that sounds for four seconds, from the third on, with a note every half second."""
    silent = np.full((500, 64), -90, np.float16)
    silent[150:350] = power(SOUNDS[0])[150:350]
    onsets = [int(30 <= tick < 70 and tick % 5 == 0) for tick in range(100)]
    truth = {**known(0, 0), "activity": [float(30 <= k < 70) for k in range(100)], "onsets": onsets}
    return Bank(Material([silent[None]], [truth]), Material([silent[None]], [150]))


@pytest.mark.parametrize("pace", [0.8, 1.0, 1.25])
@pytest.mark.parametrize("moved", [0, 35])
def test_sound_and_truth_of_another_pace_stay_together(gated, pace, moved):
    mix = Mix([Part(0, 0.0, 0.0, None, pace, moved)], 10, 0, False)
    found = mixes.truth(gated, mix)
    loud = powers(gated, mix)[0].sum(1).reshape(100, 5).mean(1) > 1e-4
    assert (loud == (found["activity"][:, 3] > 0)).mean() >= 0.97  # a tick may hold half a beat
    n_heard = found["activity"][:, 3].sum() / 5  # beats of five ticks at the usual pace
    assert found["onsets"].sum() == pytest.approx(n_heard * pace, abs=1.0)


def test_a_shifted_spectrum_keeps_its_shape_and_lies_higher(bank):
    low, high = (
        powers(bank, Mix([Part(0, 0.0, 0.0, shift=bands)], 10, 0, False))[0].mean(0)
        for bands in (0.0, 1.0)
    )
    assert high[1:] == pytest.approx(low[:-1], rel=1e-3)
