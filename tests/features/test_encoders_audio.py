"""Published sound, joint and text encoders, checked against the original programs.

goldens/front_ends.json and goldens/published_sound.json say which programs were run. Official
weights are never needed: each layout is filled with seeded numbers by `official_checkpoint`.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musicavqa.features.encoders import load_spec, weights
from musicavqa.features.encoders.fbank import Fbank, framed
from musicavqa.features.encoders.hearing import SoundEncoder
from musicavqa.features.encoders.weights import WeightError
from musicavqa.features.encoders.windows import (
    centred,
    in_turn,
    mono,
    one_second_each,
    pooled,
    shares,
)
from musicavqa.media import SOUND, Media

GOLDENS = Path(__file__).parents[1] / "goldens"
FRONT_ENDS = json.loads((GOLDENS / "front_ends.json").read_text())
NETWORKS = json.loads((GOLDENS / "published_sound.json").read_text())


def chirp() -> np.ndarray:
    """A second of rising tone with a little noise, mono at 16 kHz."""
    t = np.arange(16000) / 16000
    tone = 0.4 * np.sin(2 * np.pi * (200 * t + 1500 * t * t))
    noise = 0.05 * np.random.default_rng(3).standard_normal(16000)
    return (tone + noise).astype(np.float32)


def official_checkpoint(layout: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Seeded numbers in an official layout; the same as in the reference runs."""
    rng, filled = np.random.default_rng(5), {}
    for key in sorted(layout):
        value = 0.1 * rng.standard_normal(layout[key])
        if key.endswith(("running_var", "weight_g")):
            value = np.abs(value) + 0.5
        elif key.endswith("weight") and len(layout[key]) == 1:
            value = value + 1
        elif key.endswith("log_logit_scale"):
            value = np.full(layout[key], 2.0)
        filled[key] = torch.from_numpy(np.asarray(value, np.float32))
    return filled


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def saved(folder: Path, checkpoint, name: str = "weights.pth") -> Path:
    torch.save(checkpoint, folder / name)
    return folder / name


def sounding(seconds: float, request=SOUND) -> Media:
    n = round(seconds * request.rate_hz)
    wave = 0.1 * np.random.default_rng(1).standard_normal((request.channels, n)).astype(np.float32)
    return Media({request: wave}, seconds, has_video=False, has_audio=True)


def silent_film(seconds: float, request=SOUND) -> Media:
    return Media({request: None}, seconds, has_video=True, has_audio=False)


def supplied(monkeypatch, module, path: Path, **shape) -> None:
    """Let `module` find its weights at `path`, and expect rows of their (small) width."""
    monkeypatch.setattr(module, "weight_file", lambda name: path)
    if hasattr(module, "SPEC"):
        monkeypatch.setattr(module, "SPEC", dataclasses.replace(module.SPEC, **shape))


# Front ends.


@pytest.mark.parametrize("case", FRONT_ENDS["kaldi"]["cases"], ids=lambda c: c["window"])
def test_fbank_is_kaldis(case):
    fbank = Fbank(
        case["n_bins"], case["window"], hop_ms=case["hop_ms"], length_ms=case["length_ms"]
    )
    rows = fbank(chirp() * np.float32(case["scale"]))
    assert rows.shape == (case["n_frames"], case["n_bins"])
    assert rows.dtype == np.float32
    for frame, row in case["rows"].items():
        np.testing.assert_allclose(rows[int(frame)], row, atol=2e-4)


def test_fbank_of_128_bands_is_that_of_the_ast_feature_extractor():
    transformers = pytest.importorskip("transformers")
    extractor = transformers.ASTFeatureExtractor(max_length=98)
    theirs = extractor(chirp(), sampling_rate=16000, return_tensors="np").input_values[0]
    ours = (Fbank(128, "hanning")(chirp()) + 4.2677393) / (2 * 4.5689974)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_fbank_of_silence_is_the_floor_and_less_than_a_frame_is_refused():
    assert Fbank()(np.zeros(800, np.float32)) == pytest.approx(np.log(np.finfo(np.float32).eps))
    with pytest.raises(ValueError, match="399 samples are less than a frame of 400"):
        Fbank()(np.zeros(399, np.float32))


def test_frames_are_cut_or_followed_by_zeros():
    rows = np.ones((2, 5, 3))
    assert framed(rows, 4).shape == (2, 4, 3)
    assert framed(rows, 7).sum(axis=(0, 2)).tolist() == [6, 6, 6, 6, 6, 0, 0]


def test_vggish_log_mel_is_that_of_the_original_front_end():
    from musicavqa.features.encoders.vggish import patches

    (patch,) = patches(chirp()[None])
    assert patch.shape == (96, 64)
    for frame, row in FRONT_ENDS["vggish"]["rows"].items():
        np.testing.assert_allclose(patch[int(frame)], row, atol=1e-5)
    assert patch.mean() == pytest.approx(FRONT_ENDS["vggish"]["mean"], abs=1e-5)


def test_htsat_log_mel_is_that_of_torchlibrosa():
    from musicavqa.features.encoders.htsat import log_mel

    golden = NETWORKS["htsat"]
    rows = log_mel(np.tile(chirp(), 5)[None], 16)[0]
    assert list(rows.shape) == golden["log_mel_shape"]
    np.testing.assert_allclose(rows[100], golden["log_mel_100"], atol=2e-3)  # decibels
    np.testing.assert_allclose(rows[0], golden["log_mel_0"], atol=2e-3)


# Windows.


@given(st.integers(1, 40), st.floats(0.05, 2.0), st.floats(1.0, 3.0))
def test_every_second_is_shared_out_whole(n, hop_s, longer):
    n_patches = max(1, int(n / hop_s))
    rows = shares(np.arange(n), np.arange(n_patches), hop_s, hop_s * longer)
    assert rows.shape == (n, n_patches)
    assert (rows >= 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1.0)


@given(st.integers(1, 40), st.floats(0.05, 2.0), st.floats(1.0, 3.0), st.integers(1, 50))
def test_a_long_clip_is_pooled_in_parts(n, hop_s, longer, block_s):
    n_patches = max(1, int(n / hop_s * 0.9))  # the end may lie under none
    rows = np.random.default_rng(0).standard_normal((n_patches, 3))
    whole = shares(np.arange(n), np.arange(n_patches), hop_s, hop_s * longer) @ rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("musicavqa.features.encoders.windows.BLOCK_S", block_s)
        np.testing.assert_allclose(pooled(rows, n, hop_s, hop_s * longer), whole, atol=1e-9)


def test_windows_in_turn_hear_everything_once():
    windows = in_turn(np.arange(1, 26), step=10, length=12)
    assert windows.shape == (3, 12)
    assert windows[:, 0].tolist() == [1, 11, 21]
    assert windows[2].tolist() == [21, 22, 23, 24, 25, *[0] * 7]
    assert in_turn(np.arange(10), step=10, length=4).tolist() == [[0, 1, 2, 3]]


def test_centred_windows_stay_inside_the_clip():
    windows = centred(np.arange(50), n=5, rate_hz=10, length=20)
    assert windows[:, 0].tolist() == [0, 5, 15, 25, 30]
    assert centred(np.arange(10), 1, 10, 20)[0].tolist() == [*range(10), *[0] * 10]


def test_mono_is_the_mean_of_the_channels_up_to_whole_seconds():
    sound = mono(np.array([[1.0, 3.0, 5.0], [3.0, 3.0, 3.0]]), 4)
    assert sound.tolist() == [2.0, 3.0, 4.0, 0.0]
    assert one_second_each(sound, 2, 2).tolist() == [[2.0, 3.0], [4.0, 0.0]]


# Networks in the official layouts.


def test_vggish_is_the_torch_port(tmp_path):
    from musicavqa.features.encoders.vggish import load_components, load_vggish

    golden = NETWORKS["vggish"]
    network = load_vggish(saved(tmp_path, official_checkpoint(golden["layout"])))
    with torch.inference_mode():
        embedding = network(normal(11, 2, 1, 96, 64)[:, 0])
    np.testing.assert_allclose(embedding, golden["embedding"], atol=2e-5)
    components = official_checkpoint({"pca_eigen_vectors": [6, 6], "pca_means": [6, 1]})
    components["pca_eigen_vectors"] *= 10
    whitened = load_components(saved(tmp_path, components))(embedding * 20)
    assert whitened.tolist() == golden["components"]


def test_beats_is_microsofts(tmp_path):
    from musicavqa.features.encoders.beats import load_beats

    golden = NETWORKS["beats"]
    state = official_checkpoint(golden["layout"])
    state["encoder.layers.0.self_attn.relative_attention_bias.weight"] *= 100
    network = load_beats(saved(tmp_path, {"cfg": golden["cfg"], "model": state})).eval()
    with torch.inference_mode():
        tokens = network(normal(12, 2, 176, 32))
    assert list(tokens.shape) == golden["shape"]
    np.testing.assert_allclose(tokens[0, 0], golden["first"], atol=5e-5)
    np.testing.assert_allclose(tokens[1, -1], golden["last"], atol=5e-5)
    assert float(tokens.abs().mean()) == pytest.approx(golden["mean"], abs=1e-5)


def test_beats_of_another_kind_is_refused(tmp_path):
    from musicavqa.features.encoders.beats import load_beats

    cfg = {**NETWORKS["beats"]["cfg"], "layer_norm_first": True}
    with pytest.raises(WeightError, match=r"another kind of BEATs.*layer_norm_first"):
        load_beats(saved(tmp_path, {"cfg": cfg, "model": {}}))
    del cfg["conv_pos"], cfg["layer_norm_first"]
    with pytest.raises(WeightError, match="lacks conv_pos"):
        load_beats(saved(tmp_path, {"cfg": {**cfg, "layer_norm_first": False}, "model": {}}))
    with pytest.raises(WeightError, match="lacks 'cfg' or 'model'"):
        load_beats(saved(tmp_path, {"model": {}}))


@pytest.mark.parametrize("prefix", ["", "sed_model."], ids=["plain", "lightning"])
def test_htsat_is_its_authors(tmp_path, prefix):
    pytest.importorskip("transformers")
    from musicavqa.features.encoders.htsat import load_htsat, log_mel

    golden = NETWORKS["htsat"]
    state = {prefix + k: v for k, v in official_checkpoint(golden["layout"]).items()}
    path = saved(tmp_path, {"epoch": 3, "state_dict": state} if prefix else state)
    with torch.inference_mode():
        heard = torch.from_numpy(log_mel(np.tile(chirp(), 5)[None], 16)).float()
        embedding = load_htsat(path).eval()(heard)
    np.testing.assert_allclose(embedding[0], golden["embedding"], atol=1e-3)


@pytest.fixture(scope="module")
def imagebind(tmp_path_factory):
    state = official_checkpoint(NETWORKS["imagebind"]["layout"])
    return saved(tmp_path_factory.mktemp("imagebind"), state, "imagebind_huge.pth")


@pytest.mark.parametrize("sense", ["vision", "audio", "text"])
def test_imagebind_is_metas(imagebind, sense):
    from musicavqa.features.encoders.imagebind import load_sense

    golden = NETWORKS["imagebind"]
    pieces = torch.zeros((2, 77), dtype=torch.long)
    pieces[:, :8] = torch.tensor(golden["pieces"])
    inputs = {"vision": normal(13, 2, 3, 224, 224), "audio": normal(14, 2, 1, 128, 204)}
    network = load_sense(imagebind, sense).eval()
    with torch.inference_mode():
        rows = network(inputs.get(sense, pieces))
    np.testing.assert_allclose(rows.norm(dim=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(rows * network.temperature, golden[sense], atol=5e-4)


def test_a_file_without_a_tensor_or_with_one_too_many_is_refused(tmp_path):
    from musicavqa.features.encoders.vggish import load_vggish

    state = official_checkpoint(NETWORKS["vggish"]["layout"])
    with pytest.raises(WeightError, match=r"unknown: classifier\.weight"):
        load_vggish(saved(tmp_path, {**state, "classifier.weight": torch.ones(2)}))
    del state["embeddings.4.bias"]
    with pytest.raises(WeightError, match=r"missing: embeddings\.4\.bias"):
        load_vggish(saved(tmp_path, state))
    del state["features.0.weight"]
    with pytest.raises(WeightError, match=r"no VGGish that we know.*features\.0\.weight"):
        load_vggish(saved(tmp_path, state))


# Encoders on clips.


def test_vggish_hears_each_second_alone(tmp_path, monkeypatch):
    from musicavqa.features.encoders import audio_vggish, vggish

    path = saved(tmp_path, official_checkpoint(NETWORKS["vggish"]["layout"]))
    supplied(monkeypatch, vggish, path)
    spec = dataclasses.replace(audio_vggish.SPEC, shape=(6,))
    encoder = vggish.vggish_encoder(spec, "cpu")
    clip = sounding(2.5)
    rows = encoder.encode(clip)
    assert rows.shape == (3, 6)
    assert rows.dtype == np.float16
    alone = Media({SOUND: clip[SOUND][:, 16000:32000]}, 1.0, has_video=False, has_audio=True)
    assert (encoder.encode(alone)[0] == rows[1]).all()
    assert not encoder.encode(silent_film(2.5)).any()


def test_beats_rows_are_seconds(tmp_path, monkeypatch):
    from musicavqa.features.encoders import audio_beats

    golden = NETWORKS["beats"]
    state = official_checkpoint(golden["layout"])
    path = saved(tmp_path, {"cfg": golden["cfg"], "model": state})
    supplied(monkeypatch, audio_beats, path, shape=(32,))
    encoder = audio_beats.load()
    rows = encoder.encode(sounding(11.5))
    assert rows.shape == (12, 32)
    assert np.isfinite(rows).all()
    assert encoder.encode(silent_film(1.2)).shape == (2, 32)


def test_ast_is_transformers_own_and_takes_ten_seconds_at_a_time(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    from musicavqa.features.encoders import audio_ast

    torch.manual_seed(0)
    config = transformers.ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
    )
    transformers.ASTForAudioClassification(config).save_pretrained(tmp_path)
    supplied(monkeypatch, audio_ast, tmp_path / "model.safetensors", shape=(16,))
    encoder = audio_ast.load()
    rows = encoder.encode(sounding(12.0))
    assert rows.shape == (12, 16)
    whole = transformers.ASTModel.from_pretrained(tmp_path).eval()
    window = mono(sounding(12.0)[SOUND], 12 * 16000)[:164080]
    theirs = transformers.ASTFeatureExtractor()(window, 16000, return_tensors="pt").input_values
    with torch.inference_mode():
        tokens = whole(theirs).last_hidden_state[0, 2:].unflatten(0, (12, -1)).mean(0).numpy()
    expected = shares(np.arange(12), np.arange(100), 0.1, 0.16)[:9] @ tokens[:100]
    np.testing.assert_allclose(rows[:9], expected, atol=2e-3)  # rows are half precision


def test_imagebind_rows_of_pictures_and_sound(imagebind, monkeypatch):
    from musicavqa.features.encoders import audio_imagebind, visual_imagebind

    supplied(monkeypatch, audio_imagebind, imagebind, shape=(24,))
    supplied(monkeypatch, visual_imagebind, imagebind, shape=(24,))
    heard = audio_imagebind.load().encode(sounding(2.0))
    request = visual_imagebind.SPEC.reads[0]
    pictures = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    seen = visual_imagebind.load().encode(Media({request: pictures}, 2.0, True, False))
    for rows in (heard, seen):
        assert rows.shape == (2, 24)
        np.testing.assert_allclose(np.linalg.norm(rows.astype(float), axis=1), 1.0, atol=2e-3)


def test_weights_of_another_width_are_refused(imagebind, monkeypatch):
    from musicavqa.features.encoders import audio_imagebind

    supplied(monkeypatch, audio_imagebind, imagebind)
    with pytest.raises(WeightError, match=r"rows of \(24,\), but audio_imagebind has \(1024,\)"):
        audio_imagebind.load()


@pytest.mark.parametrize(
    "name",
    [
        "audio_fbank_128",
        "audio_fbank_192",
        "audio_fbank_256",
        "audio_logmel_10ms",
        "audio_waveform",
        "audio_waveform_32khz",
    ],
)
def test_streams_without_weights_keep_their_shape(name):
    from musicavqa.features.encoders import load_encoder

    encoder, spec = load_encoder(name), load_spec(name)
    request = spec.reads[0]
    for seconds, n in ((0.7, 1), (11.2, 12)):
        rows = encoder.encode(sounding(seconds, request))
        assert rows.shape == (-(-n // spec.every_s), *spec.shape)
        assert rows.dtype == np.float16
        assert np.isfinite(rows).all()
        assert rows.any()
    assert not encoder.encode(silent_film(3.0, request)).any()


def test_waveform_gives_back_the_sound():
    from musicavqa.features.encoders import load_encoder

    clip = sounding(2.0)
    rows = load_encoder("audio_waveform").encode(clip)
    np.testing.assert_allclose(rows.ravel(), clip[SOUND].mean(axis=0), atol=1e-3)


def test_logmel_10ms_has_no_seam_between_seconds():
    from musicavqa.features.encoders import load_encoder
    from musicavqa.features.encoders.vggish import log_mel

    clip = sounding(2.0)
    rows = load_encoder("audio_logmel_10ms").encode(clip)[:, 0].reshape(200, 64)
    whole = log_mel(clip[SOUND].mean(axis=0))
    np.testing.assert_allclose(rows[: len(whole)], whole, atol=5e-3)


# Texts.


def bert_folder(folder: Path, transformers) -> Path:
    """A tiny BERT with a head and a tokeniser of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=40,
    )  # fmt: skip
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "which", "is", "the", "violin", "louder"]
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "model.safetensors"


def test_bert_is_transformers_and_does_not_depend_on_its_neighbours(tmp_path, monkeypatch):
    transformers = pytest.importorskip("transformers")
    from musicavqa.features.encoders import bert, text_bert, text_bert_words

    path = bert_folder(tmp_path, transformers)
    supplied(monkeypatch, bert, path)
    monkeypatch.setattr(text_bert, "SPEC", dataclasses.replace(text_bert.SPEC, shape=(16,)))
    monkeypatch.setattr(
        text_bert_words, "SPEC", dataclasses.replace(text_bert_words.SPEC, shape=(32, 16))
    )
    texts = ["which is louder", "is the violin the louder"]
    words, rows = text_bert_words.load().embed(texts), text_bert.load().embed(texts)
    assert words.shape == (2, 32, 16)
    assert words.any(axis=2).sum(axis=1).tolist() == [5, 7]
    np.testing.assert_allclose(words[:, 0], rows, atol=1e-6)
    np.testing.assert_allclose(text_bert.load().embed(texts[:1]), rows[:1], atol=1e-5)
    with torch.inference_mode():
        theirs = transformers.BertModel.from_pretrained(tmp_path).eval()(
            torch.tensor([[2, 4, 5, 8, 3]])
        )
    np.testing.assert_allclose(words[0, :5], theirs.last_hidden_state[0], atol=1e-5)
    assert text_bert.load().embed([]).shape == (0, 16)


def glove_file(folder: Path, first: str = "") -> Path:
    numbers = " ".join(["0.5"] * 300)
    path = folder / "glove.txt"
    path.write_text(f"{first}violin {numbers}\nthe {numbers}\n. . {numbers}\n", encoding="utf-8")
    return path


def test_glove_gives_vectors_zeros_and_counts_what_it_does_not_know(tmp_path, monkeypatch):
    from musicavqa.features.encoders import text_glove

    supplied(monkeypatch, text_glove, glove_file(tmp_path))
    encoder = text_glove.load()
    rows = encoder.embed(["Is the Violin louder?", ""])
    assert rows.shape == (2, 32, 300)
    assert rows.any(axis=2)[0, :5].tolist() == [False, True, True, False, False]
    assert not rows[1].any()
    assert encoder.unknown == {"is": 1, "louder": 1}


def test_glove_is_read_once_and_again_when_the_text_is_newer(tmp_path):
    import os

    from musicavqa.features.encoders.text_glove import read_table

    path = glove_file(tmp_path, first="3 300\n")
    words, vectors = read_table(path)
    assert words == ["violin", "the", ". ."]
    path.write_text("unreadable", encoding="utf-8")
    os.utime(path, (1, 1))
    again, same = read_table(path)
    assert again == words
    np.testing.assert_array_equal(same, vectors)
    os.utime(path)
    with pytest.raises(WeightError, match="holds no word vectors"):
        read_table(path)


def test_glove_with_a_broken_line_is_refused(tmp_path):
    from musicavqa.features.encoders.text_glove import read_table

    path = glove_file(tmp_path)
    path.write_text(path.read_text() + "loud 1 2\n", encoding="utf-8")
    with pytest.raises(WeightError, match="line 4"):
        read_table(path)


# Cards.


@pytest.mark.parametrize("name", ["beats", "htsat", "glove"])
def test_sets_that_no_program_can_fetch_say_what_a_person_does(name, monkeypatch, tmp_path):
    monkeypatch.setenv("MUSICAVQA_CACHE", str(tmp_path))
    for ask in (weights.weight_file, weights.fetch):
        with pytest.raises(WeightError, match=rf"get .* from https.*doctor --add {name}=PATH"):
            ask(name)


def test_sound_encoders_batch_windows_of_any_clips():
    spec = load_spec("audio_vggish")
    encoder = SoundEncoder(
        spec,
        lambda sound, n: sound.reshape(n, -1),
        lambda windows: windows,
        lambda x: x + 1,
        batch=2,
    )
    windows = np.arange(10, dtype=np.float32).reshape(5, 2)
    np.testing.assert_array_equal(encoder.rows(windows), windows + 1)
