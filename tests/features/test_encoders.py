"""Encoders against reference runs (goldens/encoders.json says which), and the rules for all."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from musicavqa.features.encoders import list_encoders, load_encoder, load_spec
from musicavqa.features.encoders.spec import n_kept, n_seconds
from musicavqa.features.encoders.weights import (
    OFFICIAL,
    WEIGHTS,
    WeightError,
    weight_file,
    weight_report,
)
from musicavqa.features.extraction.encoding import encode_clips
from musicavqa.media import FRAMES, MOTION, SOUND, Media, Pictures

GOLDEN = json.loads((Path(__file__).parents[1] / "goldens" / "encoders.json").read_text())
RATE_HZ = 16000
SENTENCES = [
    "How many instruments are sounding in the video?",
    "What number of instruments can be heard in this video?",
    "Where is the performance?",
]
MEDIA_ENCODERS = [
    name
    for name in list_encoders()
    if load_spec(name).reads and not set(load_spec(name).weights) & set(OFFICIAL)
]


def sine(frequency_hz: float = 440.0, seconds: float = 3.0) -> np.ndarray:
    """Stereo sine of amplitude 0.5 on both sides."""
    wave = 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    return np.tile(wave.astype(np.float32), (2, 1))


def noise(seconds: float = 3.0) -> np.ndarray:
    """White noise, the same on both sides, seed 0."""
    wave = np.random.default_rng(0).standard_normal(round(seconds * RATE_HZ)).astype(np.float32)
    return np.tile(0.1 * wave, (2, 1))


def drawn_picture() -> np.ndarray:
    """A brown disc and a dark bar on a light gradient, (224, 224, 3)."""
    y, x = np.mgrid[:224, :224]
    picture = np.stack([200 + x // 8, 210 - y // 8, 220 - x // 10], axis=-1)
    picture[(x - 80) ** 2 + (y - 120) ** 2 < 3600] = (140, 80, 30)
    picture[(abs(y - 120) < 6) & (x > 60) & (x < 210)] = (30, 20, 10)
    return picture.astype(np.uint8)


def media(
    wave: np.ndarray | None = None,
    frames: np.ndarray | None = None,
    motion: np.ndarray | None = None,
    duration_s: float = 3.0,
) -> Media:
    return Media(
        kept={FRAMES: frames, SOUND: wave, MOTION: motion},
        duration_s=duration_s,
        has_video=frames is not None,
        has_audio=wave is not None,
    )


@pytest.fixture(scope="module", params=MEDIA_ENCODERS)
def encoder(request):
    return load_encoder(request.param)


def _has_weights(name):
    present = {row["name"] for row in weight_report() if row["present"]}
    return set(load_spec(name).weights) <= present


def test_card_names_its_file_and_known_weights():
    for name in list_encoders():
        spec = load_spec(name)
        assert spec.name == name
        assert set(spec.weights) <= set(WEIGHTS)
    here = [load_spec(name).hash8 for name in list_encoders() if _has_weights(name)]
    assert all(len(hash8) == 8 for hash8 in here)
    assert len(set(here)) == len(here) > 6


def test_unknown_encoder_is_refused_with_near_names():
    with pytest.raises(ValueError, match="audio_yamnet"):
        load_encoder("audio_yamnett")


def seen_and_heard(spec, duration_s, there=True, seed=0):
    """Media with all that an encoder asks for: noise, or None for each sense."""
    rng = np.random.default_rng(seed)
    kept = {}
    for item in spec.reads:
        if isinstance(item, Pictures):
            shape = (max(1, round(duration_s * item.rate_hz)), *item.size)
            shape += (3,) if item.pixels == "rgb24" else ()
            kept[item] = rng.integers(0, 256, shape).astype(np.uint8)
        else:
            shape = (item.channels, round(duration_s * item.rate_hz))
            kept[item] = 0.1 * rng.standard_normal(shape).astype(np.float32)
    kept = kept if there else dict.fromkeys(kept)
    return Media(kept, duration_s=duration_s, has_video=there, has_audio=there)


def test_missing_sense_gives_zeros(encoder):
    rows = encoder.encode(seen_and_heard(encoder.spec, 2.4, there=False))
    assert rows.shape == (n_kept(encoder.spec, 2.4), *encoder.spec.shape)
    assert rows.dtype == encoder.spec.dtype
    assert not rows.any()


def test_rows_are_the_kept_seconds_rounded_up_and_finite(encoder):
    for duration_s in (0.4, 1.5, 3.0):
        clip = seen_and_heard(encoder.spec, duration_s)
        rows = encoder.encode(clip)
        assert rows.shape == (n_kept(encoder.spec, duration_s), *encoder.spec.shape)
        assert np.isfinite(rows).all()
        assert rows.any()
        assert (rows == encoder.encode(clip)).all()


def test_clips_are_encoded_together_as_alone(encoder):
    clips = [seen_and_heard(encoder.spec, 2.4, seed=seed) for seed in range(2)]
    for clip, rows in zip(clips, encode_clips(encoder, clips), strict=True):
        assert np.array_equal(rows, encoder.encode(clip))


@pytest.mark.parametrize("name", [n for n in MEDIA_ENCODERS if load_spec(n).sees_s is not None])
def test_rows_depend_on_no_more_than_the_card_says(name):
    encoder, start_s, own_s = load_encoder(name), 24, 12
    spec = encoder.spec
    clip = seen_and_heard(spec, 48.3)
    seen = clip.part(start_s - spec.sees_s, start_s + own_s + spec.sees_s)
    rate_hz = spec.rate_hz / spec.every_s
    n, before, start = (round(s * rate_hz) for s in (own_s, spec.sees_s, start_s))
    of_the_piece = encoder.encode(seen)[before : before + n].astype(float)
    of_the_clip = encoder.encode(clip)[start : start + n].astype(float)
    assert len(of_the_piece) == len(of_the_clip) == n
    assert np.abs(of_the_piece - of_the_clip).max() <= 2**-11 * np.abs(of_the_clip).max()


def test_second_count_forgives_a_millisecond():
    assert [n_seconds(s) for s in (0.0, 1.0, 10.0005, 10.01)] == [1, 1, 10, 11]


# Signal transforms.


def test_logmel_side_plane_tells_left_from_right():
    wave = sine()
    wave[1] *= 0.1  # 20 dB softer on the right
    rows = load_encoder("audio_logmel").encode(media(wave)).astype(float)
    band = rows[1, 0].mean(axis=0).argmax()
    assert rows[1, 1, :, band].mean() == pytest.approx(1.0, abs=0.02)
    assert load_encoder("audio_logmel").encode(media(wave[::-1]))[1, 1, 25, band] < -0.97
    assert rows[1, 0, 25, band] == pytest.approx((-11.2 + 50) / 25, abs=0.15)  # 0.275 peak


def test_a_long_clip_is_heard_in_blocks_without_a_seam(monkeypatch):
    wave = np.random.default_rng(0).normal(0, 0.1, (2, 7 * RATE_HZ)).astype(np.float32)
    encoder = load_encoder("audio_logmel")
    whole = encoder.encode(media(wave, duration_s=7.0))
    monkeypatch.setattr("musicavqa.features.encoders.audio_logmel.BLOCK_S", 2)
    again = encoder.encode(media(wave, duration_s=7.0))
    np.testing.assert_allclose(again, whole, atol=2e-3)  # products of other sizes round otherwise


def test_logmel_frame_shows_its_own_20_ms():
    wave = np.zeros((2, 3 * RATE_HZ), np.float32)
    wave[:, RATE_HZ + 320 * 10 + 160] = 1.0  # a click in the middle of frame 10 of second 1
    rows = load_encoder("audio_logmel").encode(media(wave))
    assert rows[1, 0].astype(float).mean(axis=1).argmax() == 10
    assert rows[0, 0].max() == -2.0


def test_motion_shows_where_and_when_the_picture_changes():
    motion = np.full((30, 56, 56), 100, np.uint8)
    motion[15:, 8:16, 48:] = 151  # cell (1, 6) changes once, between step 14 and 15
    rows = load_encoder("visual_motion").encode(media(motion=motion))
    assert rows[1, 1 * 7 + 6, 5] == 2.0
    assert np.count_nonzero(rows) == 1


# Networks against their references.


def test_effnet_matches_the_published_implementation():
    golden = GOLDEN["effnet"]
    encoder = load_encoder("visual_effnet")
    picture = drawn_picture()[None]
    logits = encoder.logits(picture)[0].numpy()
    np.testing.assert_allclose(logits[:12], golden["first_logits"], atol=2e-3)
    assert int(logits.argmax()) == golden["top"]
    assert float(encoder.maps(picture).mean()) == pytest.approx(golden["map_mean"], abs=1e-4)


def test_effnet_weights_have_the_published_size():
    import torch

    official = torch.load(weight_file("effnet_lite0"), map_location="cpu", weights_only=True)
    sizes = [v.numel() for k, v in official.items() if "running" not in k and "num_batch" not in k]
    assert sum(sizes) == GOLDEN["effnet"]["parameters"]


def test_effnet_holds_the_last_picture():
    rows = load_encoder("visual_effnet").encode(media(frames=drawn_picture()[None]))
    assert (rows[2] == rows[0]).all()


def test_minilm_matches_transformers():
    golden = GOLDEN["minilm"]
    rows = load_encoder("text_minilm").embed(SENTENCES)
    np.testing.assert_allclose(rows[:, :6], golden["first_values"], atol=1e-5)
    np.testing.assert_allclose(rows @ rows.T, golden["cosines"], atol=1e-4)
    assert load_encoder("text_minilm").embed([]).shape == (0, 384)


def test_minilm_does_not_depend_on_its_neighbours():
    encoder = load_encoder("text_minilm")
    together = encoder.embed([*SENTENCES, "a much longer sentence " * 10])
    np.testing.assert_allclose(encoder.embed(SENTENCES[2:]), together[2:3], atol=1e-5)


def test_minilm_words_have_the_published_mean_and_zeros_behind():
    rows = load_encoder("text_minilm_words").embed(SENTENCES)
    there = rows.any(axis=2)
    assert rows.shape == (3, 32, 384)
    assert there.sum(axis=1).tolist() == [11, 13, 7]  # pieces, with the marks of begin and end
    assert all(row[: row.sum()].all() for row in there)
    means = rows.sum(axis=1) / np.linalg.norm(rows.sum(axis=1), axis=1, keepdims=True)
    np.testing.assert_allclose(means[:, :6], GOLDEN["minilm"]["first_values"], atol=1e-5)
    assert load_encoder("text_minilm_words").embed([]).shape == (0, 32, 384)


def test_minilm_words_cut_a_question_that_is_too_long():
    rows = load_encoder("text_minilm_words").embed(["a much longer sentence " * 20, SENTENCES[0]])
    assert rows[0].any(axis=1).all()
    alone = load_encoder("text_minilm_words").embed(SENTENCES[:1])
    np.testing.assert_allclose(rows[1:], alone, atol=1e-4)


def test_musicnn_front_end_matches_librosa():
    golden = GOLDEN["musicnn_front"]
    mel = load_encoder("audio_musicnn").log_mel(noise()[0])
    assert len(mel) == golden["frames"]
    np.testing.assert_allclose(mel[5], golden["frame_5"], atol=1e-4)


def test_musicnn_checkpoint_is_read_whole():
    from musicavqa.features.encoders.audio_musicnn import read_bundle

    path = weight_file("musicnn")
    bundle = read_bundle(path, path.with_suffix(".data"))
    assert len(bundle) == GOLDEN["musicnn"]["variables"]
    n_values = sum(array.size for array in bundle.values())
    assert n_values == pytest.approx(GOLDEN["musicnn"]["values"], rel=0.005)
    assert bundle["conv2d/kernel"].shape == (7, 38, 1, 204)
    assert all((v > 0).all() for k, v in bundle.items() if k.endswith("moving_variance"))


def test_musicnn_row_is_unchanged():
    row = load_encoder("audio_musicnn").encode(media(noise()))[1]
    np.testing.assert_allclose(
        [*row[:6], *row[200:206]], GOLDEN["musicnn"]["row_1"], atol=5e-3, rtol=5e-3
    )


@pytest.mark.parametrize("clip", ["sine", "noise", "silence"])
def test_yamnet_hears_what_is_played(clip):
    golden = GOLDEN["yamnet"]["clips"][clip]
    waves = {"sine": sine(), "noise": noise(), "silence": np.zeros((2, 48000), np.float32)}
    encoder = load_encoder("audio_yamnet")
    row = encoder.encode(media(waves[clip]))[1].astype(float)
    assert encoder.classes[int(row[1024:].argmax())] == golden["top"]
    assert row[1024:].max() == pytest.approx(golden["top_probability"], abs=0.02)
    assert row[:1024].mean() == pytest.approx(golden["embedding_mean"], abs=0.003)


# Weights.


def test_weights_in_the_cache_are_reported():
    weight_file("musicnn")
    row = next(row for row in weight_report() if row["name"] == "musicnn")
    assert row["present"]
    assert row["size"] > 9_000_000


def test_filled_cache_never_calls_pip(monkeypatch):
    weight_file("musicnn")
    monkeypatch.setattr(subprocess, "run", None)
    assert weight_file("musicnn").is_file()


def test_offline_and_empty_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("MUSICAVQA_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightError, match=r"could not download musicnn==0\.1\.0.*doctor --fetch"):
        weight_file("musicnn")
    assert not any((tmp_path / "weights").iterdir())


def test_wheel_with_another_hash_is_not_kept(monkeypatch, tmp_path):
    def fake_download(name, weight, folder):
        folder.mkdir()
        wheel = folder / "musicnn.whl"
        wheel.write_bytes(b"something else")
        return wheel

    monkeypatch.setenv("MUSICAVQA_CACHE", str(tmp_path))
    monkeypatch.setattr("musicavqa.features.encoders.weights._download", fake_download)
    with pytest.raises(WeightError, match="sha256"):
        weight_file("musicnn")
    assert not any((tmp_path / "weights").iterdir())


def test_looking_at_cards_imports_no_torch():
    code = (
        "import sys; from musicavqa.features.encoders import list_encoders, weights;"
        "list_encoders(); weights.weight_report(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
