"""Beats, onsets, tempo, chroma, parts and structure of sound whose truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import rhythm_checks
from musicavqa.features.encoders import load_encoder, load_spec, mel, pulse
from musicavqa.features.encoders import music_beats as beats
from musicavqa.features.encoders import music_hpss as hpss
from musicavqa.features.encoders import music_structure as structure
from musicavqa.features.encoders.spec import n_rows
from musicavqa.features.encoders.weights import weight_file
from musicavqa.features.segments import event_times
from musicavqa.media import Media

GOLDEN = json.loads((Path(__file__).parents[1] / "goldens" / "music_beats.json").read_text())
STREAMS = ("music_beats", "music_chroma", "music_hpss", "music_onsets", "music_structure",
           "music_tempo")  # fmt: skip


def encode(name, samples, rate_hz=16000):
    """Rows in float64 of a mono signal, which also goes to streams that read another rate."""
    encoder = load_encoder(name)
    (item,) = encoder.spec.reads
    n = round(len(samples) * item.rate_hz / rate_hz)
    at = np.interp(np.arange(n) / item.rate_hz, np.arange(len(samples)) / rate_hz, samples)
    sound = np.tile(at.astype(np.float32), (item.channels, 1))
    return encoder.encode(Media({item: sound}, len(samples) / rate_hz, False, True)).astype(float)


def clicks(times_s, duration_s, rate_hz=16000):
    """Short bursts of noise at these times over a faint hiss."""
    rng = np.random.default_rng(0)
    sound = 1e-4 * rng.standard_normal(round(duration_s * rate_hz))
    burst = rng.standard_normal(800) * np.exp(-np.arange(800) / 150)
    for time_s in times_s:
        start = round(time_s * rate_hz)
        part = sound[start : start + len(burst)]
        part += 0.5 * burst[: len(part)]
    return sound


def tone(frequencies_hz, duration_s, rate_hz=16000, vibrato=0.0):
    """Sines of one level, with a vibrato of six turns a second by `vibrato` radians of phase."""
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    swing = vibrato * np.sin(2 * np.pi * 6 * t)
    return sum(0.2 * np.sin(2 * np.pi * f * t + swing) for f in frequencies_hz)


# The front ends.


def golden_sound():
    t = np.arange(44100) / 22050
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(t))
    sound = (0.3 * np.sin(2 * np.pi * (200 + 300 * t) * t) + noise).astype(np.float32)
    sound[20000:24000] *= 3
    return sound


def test_beatnet_hears_what_the_published_front_end_heard():
    network = load_encoder("music_beats")
    features = network.features(np.pad(golden_sound(), (705, 1411)))
    np.testing.assert_allclose(
        features[GOLDEN["frames"], ::8], np.array(GOLDEN["features"]), atol=2e-5
    )


def test_beatnet_activations_match_the_published_network():
    weights = torch.load(weight_file("beatnet"), map_location="cpu", weights_only=True)
    network = beats.BeatNet([weights])
    heard = network.activations(network.features(np.pad(golden_sound(), (705, 1411))))
    np.testing.assert_allclose(heard[GOLDEN["frames"]], GOLDEN["activations"], atol=2e-5)


def test_beatnet_refuses_weights_of_another_layout():
    weights = torch.load(weight_file("beatnet"), map_location="cpu", weights_only=True)
    weights["linear.wait"] = weights.pop("linear.bias")
    with pytest.raises(RuntimeError, match=r"linear\.bias.*\n.*linear\.wait"):
        beats.BeatNet([weights])


def test_centred_frames_show_the_middle_of_their_hop():
    samples = np.zeros(1000, np.float32)
    samples[350] = 1  # the middle of hop 3
    frames = mel.magnitudes(mel.centre_padded(samples, 400, 100, 10), 400, 100, 400)
    assert len(frames) == 10
    assert frames.sum(axis=1).argmax() == 3


# Events.


def test_onsets_are_found_where_clicks_are():
    times_s = np.array([0.5, 0.92, 1.3, 1.45, 2.6])
    found = event_times(encode("music_onsets", clicks(times_s, 3.0))[:, 1], 100.0)
    np.testing.assert_allclose(found, times_s, atol=0.02)


def test_a_vibrato_is_one_onset_and_silence_is_none():
    wavering = tone([440.0], 3.0, vibrato=1.5)
    wavering[: 16000 // 2] = 0
    found = event_times(encode("music_onsets", wavering)[:, 1], 100.0)
    assert found == pytest.approx([0.5], abs=0.04)
    assert not encode("music_onsets", np.zeros(48000))[:, 1].any()


def test_the_best_path_is_found_through_missing_and_false_beats():
    activation = np.full(1500, 0.02)
    for step, height in ((0, 0.9), (-1, 0.5), (1, 0.5)):
        activation[10 + step :: 30] = height  # 100 beats per minute
    activation[10 + 30 * 7 - 1 : 10 + 30 * 7 + 2] = 0.02
    activation[[55, 333, 800]] = 0.8
    found = pulse.track(activation, 50.0)
    assert np.abs(found[1:-1, None] - np.arange(10, 1500, 30)).min(axis=1).max() <= 1
    assert len(found) in (49, 50, 51)


def test_bars_begin_where_downbeats_stand_out():
    frames = np.arange(10, 1490, 30)
    activation = np.full(1500, 0.05)
    activation[frames[2::3]] = 0.7
    assert (np.flatnonzero(pulse.downbeats(activation, frames)) % 3 == 2).all()
    assert len(pulse.downbeats(activation, frames[:1])) == 1


@pytest.mark.parametrize("sound", ["noise", "tone", "silence"])
def test_without_a_usable_beat_there_are_none_and_the_confidence_is_zero(sound):
    signals = {
        "noise": lambda: 0.1 * np.random.default_rng(3).standard_normal(160000),
        "tone": lambda: tone([440.0], 10.0, vibrato=2.0),
        "silence": lambda: np.zeros(160000),
    }
    rows = encode("music_beats", signals[sound]())
    assert not rows[:, 2:].any()


def test_a_grid_laid_over_free_notes_is_hardly_ever_believed():
    believed = []
    for seed in range(4):
        waits_s = np.exp(np.random.default_rng(seed).uniform(-1.7, 0.5, 24))  # 0.18 to 1.65 s
        rows = encode("music_beats", clicks(0.3 + np.cumsum(waits_s), 20.0))
        assert not rows[rows[:, 4] == 0, 2:4].any()
        believed.append((rows[:, 4] > 0).mean())
    assert np.mean(believed) < 0.25


def test_a_steady_click_has_its_beats_and_says_so():
    times_s = 0.4 + 0.5 * np.arange(28)
    rows = encode("music_beats", clicks(times_s, 15.0))
    found = event_times(rows[:, 2], 50.0)
    assert rows[:, 4].mean() > 2 * pulse.USABLE
    near = np.abs(found[:, None] - times_s).min(axis=1)
    assert np.mean(near < 0.07) > 0.9


def test_tempo_of_a_click_and_none_in_silence():
    rows = encode("music_tempo", clicks(0.3 + 0.6 * np.arange(16), 10.0))
    assert np.median(rows[:, -2]) == pytest.approx(100, rel=0.03)
    assert rows[:, -1].mean() > 0.7
    assert not encode("music_tempo", np.zeros(32000)).any()


# Harmony, parts, form.


def test_a_chord_shows_its_pitch_classes_in_any_tuning():
    for detune in (-0.3, 0.0, 0.3):
        chord = [440 * 2 ** ((k + detune) / 12) for k in (3, 7, 10)]  # C, E, G
        rows = encode("music_chroma", tone(chord, 2.0))[5:15, :12]
        assert (rows[:, [0, 4, 7]] > 0.6).all()
        assert rows[:, [1, 2, 3, 5, 6, 8, 9, 10, 11]].max() < 0.1


def test_overtones_do_not_sound_another_pitch_class():
    rows = encode("music_chroma", tone([220.0 * k for k in (1, 2, 3, 5, 6, 7)], 1.0))
    assert rows[5, :12].argmax() == 9
    assert np.delete(rows[5, :12], 9).max() < 0.1


def test_a_scale_with_its_chord_has_its_key():
    scale = [tone([261.63 * 2 ** (k / 12)], 0.5) for k in (0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 0)]
    keys = encode("music_chroma", np.concatenate(scale))[25, 12:36]
    assert keys.argmax() == 0


def test_clicks_are_percussive_and_tones_are_not():
    power = [
        (10 ** (encode("music_hpss", sound)[5:45] * 2.5)).sum(axis=(0, 2))
        for sound in (clicks(0.25 * np.arange(1, 20), 5.0), tone([220.0, 330.0], 5.0))
    ]
    assert power[0][1] > 0.9 * power[0].sum()
    assert power[1][1] < 0.05 * power[1].sum()


@pytest.mark.parametrize("width", [3, 17])
def test_medians_are_those_of_scipy(width):
    ndimage = pytest.importorskip("scipy.ndimage")
    rows = np.random.default_rng(0).random((20, 60)).astype(np.float32)
    expected = ndimage.median_filter(rows, (1, width), mode="nearest")
    assert (hpss.medians(rows, width) == expected).all()


def test_novelty_is_the_checkerboard_on_the_self_similarity_matrix():
    rows, half = np.random.default_rng(0).normal(size=(40, 6)), 5
    fading = np.exp(-2.3 * ((np.arange(half) + 0.5) / half) ** 2)
    sides = np.concatenate([-fading[::-1], fading]) / fading.sum()
    board, similar = np.outer(sides, sides), rows @ rows.T
    foote = [
        (board * similar[i - half : i + half, i - half : i + half]).sum()
        for i in range(half, len(rows) - half)
    ]
    ours = structure.novelty(rows, half)[half:-half]
    np.testing.assert_allclose(ours, np.sqrt(np.array(foote) / 6), rtol=1e-9)


def test_a_change_of_sound_is_the_only_boundary():
    sound = np.concatenate([tone([220.0, 440.0], 5.0), tone([700.0, 1900.0], 5.0)])
    assert event_times(encode("music_structure", sound)[:, 1], 10.0) == pytest.approx(5.0, abs=0.2)


# All of them.


@pytest.mark.parametrize("name", sorted(set(STREAMS) - {"music_beats"}))  # its path is global
def test_rows_do_not_depend_on_what_comes_long_after(name):
    sound = clicks(0.3 + 0.5 * np.arange(60), 30.0)[: 16000 * 12] + 0.2 * tone([440.0], 12.0)
    spec = load_spec(name)
    long = np.concatenate([sound, sound])
    n = round(1.0 * spec.rate_hz)
    np.testing.assert_allclose(encode(name, sound)[:n, :2], encode(name, long)[:n, :2], atol=0.1)


@pytest.mark.parametrize("name", STREAMS)
def test_a_clip_shorter_than_any_window_has_rows(name):
    rows = encode(name, clicks([0.02], 0.05))
    assert rows.shape == (n_rows(0.05, load_spec(name).rate_hz), *load_spec(name).shape)
    assert np.isfinite(rows).all()


# Bounds well below what is measured over 24 clips (rhythm_checks.py), on a few rendered ones.


@pytest.fixture(scope="module")
def played():
    return rhythm_checks.rehearsals(3)


@pytest.fixture(scope="module")
def clips():
    return rhythm_checks.scenes(6)


def means(name, clips):
    return {row.measure: np.nanmean(row.values) for row in rhythm_checks.check_stream(name, clips)}


def test_beats_of_pieces_played_together_are_found(played):
    found = means("music_beats", played)
    assert found["beats on, any level (AMLt)"] > 0.8
    assert found["beat F, 70 ms"] > 0.5


def test_keys_and_tempi_of_pieces_are_found(played):
    assert means("music_chroma", played)["key, weighted"] > 0.6
    assert means("music_tempo", played)["tempo or octave"] > 0.6


def test_onsets_and_boundaries_of_scenes_are_found(clips):
    assert means("music_onsets", clips)["onset F, 50 ms"] > 0.7
    rows = {row.measure: row for row in rhythm_checks.check_stream("music_structure", clips)}
    recall = rows["boundary recall"]
    assert recall.values.mean() > recall.naive.mean() + 0.1
