"""Default sound encoders against the original programs; each golden's `made` says what was run."""

import json
from pathlib import Path

import numpy as np
import pytest

from musicavqa.features.encoders import load_encoder
from musicavqa.features.encoders.mel import magnitudes

GOLDENS = Path(__file__).parents[1] / "goldens"
MUSICNN = json.loads((GOLDENS / "musicnn_reference.json").read_text())
YAMNET = json.loads((GOLDENS / "yamnet_reference.json").read_text())
RATE_HZ, SAMPLES = 16000, 48000


def noise() -> np.ndarray:
    """Three seconds of white noise, seed 0."""
    return 0.1 * np.random.default_rng(0).standard_normal(SAMPLES).astype(np.float32)


def sine() -> np.ndarray:
    """Three seconds of 440 Hz at amplitude 0.5."""
    wave = 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(SAMPLES) / RATE_HZ)
    return wave.astype(np.float32)


def fixed_patches() -> np.ndarray:
    """Two log-mel patches (2, 187, 96) that look like nothing heard: noise and waves."""
    frame, band = np.mgrid[:187, :96]
    waves = 1.5 * np.sin(frame / 11.0) * np.cos(band / 7.0) + 0.5 * np.cos(frame * band / 500.0)
    uniform = np.random.default_rng(7).uniform(0.0, 4.0, (187, 96))
    return np.stack([uniform, 2.0 + waves]).astype(np.float32)


@pytest.fixture(scope="module")
def musicnn():
    return load_encoder("audio_musicnn")


@pytest.fixture(scope="module")
def yamnet():
    return load_encoder("audio_yamnet")


def forward(encoder, patches):
    import torch

    return [part.numpy() for part in encoder.forward(torch.from_numpy(patches))]


def test_musicnn_network_is_the_original_graph(musicnn):
    embedding, tags = forward(musicnn, fixed_patches())
    np.testing.assert_allclose(embedding, MUSICNN["embedding"], atol=3e-5)  # values up to 4.8
    np.testing.assert_allclose(tags, MUSICNN["tags"], atol=1e-5)


def test_musicnn_tags_stand_in_the_original_order():
    from musicavqa.features.encoders.audio_musicnn import TAGS

    assert list(TAGS) == MUSICNN["tags_in_order"]


def test_musicnn_front_end_is_the_original_but_for_its_half_precision(musicnn):
    mel = musicnn.log_mel(noise())
    assert len(mel) == MUSICNN["n_frames"]
    for frame, row in MUSICNN["log_mel_rows"].items():
        np.testing.assert_allclose(mel[int(frame)], row, atol=3e-4)  # 2 ** -11 of the power


def test_musicnn_hears_noise_as_the_original_program_does(musicnn):
    embedding, tags = forward(musicnn, musicnn.log_mel(noise())[None, :187])
    np.testing.assert_allclose(embedding[0], MUSICNN["noise_embedding"], atol=3e-4)
    np.testing.assert_allclose(tags[0], MUSICNN["noise_tags"], atol=5e-5)


CLIPS = {"noise": noise, "sine": sine, "silence": lambda: np.zeros(SAMPLES, np.float32)}


@pytest.mark.parametrize("clip", CLIPS)
def test_yamnet_log_mel_is_that_of_the_original_front_end(yamnet, clip):
    wave = CLIPS[clip]()
    wave = np.pad(wave / max(float(np.abs(wave).max()), 1e-6), (0, 240)).astype(np.float32)
    mel = np.log(magnitudes(wave, 400, 160, 512) @ yamnet.filters + 1e-3)
    golden = YAMNET["clips"][clip]
    assert len(mel) == golden["n_frames"]
    # bands that a sine leaves empty hold only the rounding of a float32 transform
    tolerance = 4e-3 if clip == "sine" else 3e-5
    for frame, row in golden["log_mel_rows"].items():
        np.testing.assert_allclose(mel[int(frame)], row, atol=tolerance)


@pytest.mark.parametrize("clip", CLIPS)
def test_yamnet_patch_hears_what_the_reference_evaluator_hears(yamnet, clip):
    golden = YAMNET["clips"][clip]
    patches = yamnet.patches(CLIPS[clip]())
    assert len(patches) == golden["n_patches"]
    # a sine's empty bands lie at a step of the quantiser: a few of 6144 codes fall to the next
    changed = abs(int(patches[2].sum(dtype=int)) - golden["patch_2_code_sum"])
    assert changed <= (40 if clip == "sine" else 0)
    row = yamnet.run(patches[2])
    for name, probability in golden["patch_2_top"][:4]:
        place = 1024 + yamnet.classes.index(name)
        assert row[place] == pytest.approx(probability, abs=0.02 if clip == "sine" else 1e-4)
    if clip != "sine":
        np.testing.assert_allclose(row[:24], golden["patch_2_embedding_first"], atol=1e-4)
    assert row[:1024].mean() == pytest.approx(golden["patch_2_embedding_mean"], abs=0.005)


def test_yamnet_hears_a_long_clip_in_blocks(yamnet, monkeypatch):
    samples = np.random.default_rng(0).standard_normal(7 * 16000).astype(np.float32)
    whole = yamnet.patches(samples)
    monkeypatch.setattr("musicavqa.features.encoders.audio_yamnet.BLOCK", 2 * 16000)
    apart = yamnet.patches(samples).astype(int) - whole
    assert whole.shape == (13, 96, 64)
    assert np.abs(apart).max() <= 1  # where a value lies between two codes
    assert np.count_nonzero(apart) <= 5
