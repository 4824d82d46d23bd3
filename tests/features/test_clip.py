"""CLIP from both official layouts, against transformers' own class on seeded weights."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from musicavqa.features.encoders import clip, load_encoder
from musicavqa.features.encoders.kept import sha256_of
from musicavqa.features.encoders.vision import CLIP, normalised
from musicavqa.features.encoders.weights import OFFICIAL, WEIGHTS, WeightError, add
from seeded_weights import seeded

WIDTH, OUT, LONGEST, N_PIECES = 128, 512, 77, 60  # of the tiny CLIP


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache of weights for each test."""
    monkeypatch.setenv("MUSICAVQA_CACHE", str(tmp_path / "cache"))


def noise(n, height, width):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, height, width, 3)).astype(np.uint8)


def tiny_clip(side=224, patch=32, out=OUT):
    """transformers' CLIPModel with seeded weights, of the official shape outside."""
    from transformers import CLIPConfig, CLIPModel

    tower = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": WIDTH // 64,
        "projection_dim": out,
    }
    marks = {"bos_token_id": N_PIECES - 2, "eos_token_id": N_PIECES - 1, "pad_token_id": 0}
    text = {**tower, **marks, "vocab_size": N_PIECES, "max_position_embeddings": LONGEST}
    picture = {**tower, "image_size": side, "patch_size": patch}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=picture, projection_dim=out))
    model.load_state_dict(seeded({k: tuple(v.shape) for k, v in model.state_dict().items()}))
    return model.eval()


def written_folder(model, folder):
    """The model as transformers writes it: model.safetensors and config.json."""
    model.save_pretrained(folder)
    return folder


class Node(nn.Module):
    """A module that only has names, to rebuild OpenAI's archive."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def openai_names(state):
    """transformers' tensors as OpenAI keeps them (CLIP's released layout, restated by hand)."""
    official = {
        "visual.class_embedding": state["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "visual.conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "visual.proj": state["visual_projection.weight"].T,
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "text_projection": state["text_projection.weight"].T,
        "logit_scale": state["logit_scale"],
    }
    for part in ("weight", "bias"):
        official[f"visual.ln_pre.{part}"] = state[f"vision_model.pre_layrnorm.{part}"]
        official[f"visual.ln_post.{part}"] = state[f"vision_model.post_layernorm.{part}"]
        official[f"ln_final.{part}"] = state[f"text_model.final_layer_norm.{part}"]
        for theirs, openai in (("vision_model", "visual."), ("text_model", "")):
            for layer in range(2):
                old = f"{theirs}.encoder.layers.{layer}."
                new = f"{openai}transformer.resblocks.{layer}."
                official[f"{new}attn.in_proj_{part}"] = torch.cat(
                    [state[f"{old}self_attn.{letter}_proj.{part}"] for letter in "qkv"]
                )
                for a, b in (
                    ("attn.out_proj", "self_attn.out_proj"),
                    ("ln_1", "layer_norm1"),
                    ("ln_2", "layer_norm2"),
                    ("mlp.c_fc", "mlp.fc1"),
                    ("mlp.c_proj", "mlp.fc2"),
                ):
                    official[f"{new}{a}.{part}"] = state[f"{old}{b}.{part}"]
    return official


def openai_archive(state, path):
    """A TorchScript archive with these tensors, and the sizes OpenAI keeps as buffers."""
    root = Node()
    for key, tensor in state.items():
        node = root
        *places, name = key.split(".")
        for place in places:
            if place not in dict(node.named_children()):
                node.add_module(place, Node())
            node = node.get_submodule(place)
        node.register_parameter(name, nn.Parameter(tensor.contiguous(), requires_grad=False))
    root.register_buffer("input_resolution", torch.tensor(224))
    root.register_buffer("context_length", torch.tensor(LONGEST))
    root.register_buffer("vocab_size", torch.tensor(N_PIECES))
    torch.jit.script(root).save(str(path))
    return path


def tokenizer_file(folder):
    """A word tokeniser with CLIP's two marks as its highest numbers."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = ["!", *["how", "many", "instruments", "are", "sounding", "in", "the", "video", "?"]]
    vocabulary = {word: i for i, word in enumerate(words)}
    begin, end = ("<|startoftext|>", N_PIECES - 2), ("<|endoftext|>", N_PIECES - 1)
    tokenizer = Tokenizer(models.WordLevel({**vocabulary, **dict([begin, end])}, unk_token="!"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.RobertaProcessing(end, begin, add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))


def test_clip_pictures_match_transformers_from_both_layouts(tmp_path, monkeypatch):
    model = tiny_clip()
    add("clip_b32", written_folder(model, tmp_path / "folder"))
    pictures = noise(3, 224, 224)
    with torch.inference_mode():
        seen = model.vision_model(normalised(pictures, CLIP))
        frames = model.visual_projection(seen.pooler_output).numpy()
        tokens = model.vision_model.post_layernorm(seen.last_hidden_state)
        patches = model.visual_projection(tokens).numpy()
    own_frames = load_encoder("visual_clip_b32").picture_rows(pictures)
    own_patches = load_encoder("visual_clip_b32_patches").picture_rows(pictures)
    assert own_frames.dtype == own_patches.dtype == np.float16
    assert own_patches.shape == (3, 50, OUT)
    np.testing.assert_allclose(own_frames, frames, atol=2e-3, rtol=2e-3)  # float16
    np.testing.assert_allclose(own_patches, patches, atol=2e-3, rtol=2e-3)
    archive = openai_archive(openai_names(model.state_dict()), tmp_path / "ViT-B-32.pt")
    ours = {archive.name: sha256_of(archive)}  # as if this small file were the published one
    known = dataclasses.replace(OFFICIAL["clip_b32"], sha256=ours)
    monkeypatch.setitem(OFFICIAL, "clip_b32", known)
    monkeypatch.setitem(WEIGHTS, "clip_b32", known)
    add("clip_b32", archive)
    assert (load_encoder("visual_clip_b32").picture_rows(pictures) == own_frames).all()
    assert (load_encoder("visual_clip_b32_patches").picture_rows(pictures) == own_patches).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_official_clip_tensor_has_its_place_and_none_is_left_empty(tmp_path):
    state = tiny_clip().state_dict()
    from_transformers = clip.our_names(state)
    from_openai = clip.our_names(openai_names(state))
    assert from_transformers.keys() == from_openai.keys()
    assert all((from_openai[key] == tensor).all() for key, tensor in from_transformers.items())
    n_values = sum(tensor.numel() for tensor in state.values())
    assert sum(tensor.numel() for tensor in from_openai.values()) == n_values - 1  # logit_scale


def test_clip_half_precision_file_is_computed_in_float(tmp_path):
    model = tiny_clip()
    half = {key: v.half() for key, v in openai_names(model.state_dict()).items()}
    network = clip.load_tower(openai_archive(half, tmp_path / "half.pt"), "picture")
    assert {v.dtype for v in network.state_dict().values()} == {torch.float32}


def test_clip_of_another_size_is_refused(tmp_path):
    add("clip_b32", written_folder(tiny_clip(out=768), tmp_path / "large"))
    with pytest.raises(WeightError, match=r"gives rows of \(768,\).*weights of another size"):
        load_encoder("visual_clip_b32")
    add("clip_b32", written_folder(tiny_clip(side=64), tmp_path / "small"))
    with pytest.raises(WeightError, match="looks at 64 pixels"):
        load_encoder("visual_clip_b32")


def test_clip_texts_match_transformers(tmp_path):
    model = tiny_clip()
    folder = written_folder(model, tmp_path / "folder")
    tokenizer_file(folder)
    add("clip_b32", folder)
    texts = ["How many instruments are sounding in the video?", "Are instruments sounding?"]
    pieces = torch.zeros((2, LONGEST), dtype=torch.long)
    for row, words in zip(pieces, ([1, 2, 3, 4, 5, 6, 7, 8, 9], [4, 3, 5, 9]), strict=True):
        ids = [N_PIECES - 2, *words, N_PIECES - 1]
        row[: len(ids)] = torch.tensor(ids)
    with torch.inference_mode():
        seen = model.text_model(pieces)
        sentences = model.text_projection(seen.pooler_output).numpy()
        words = model.text_projection(seen.last_hidden_state).numpy()
    np.testing.assert_allclose(load_encoder("text_clip_b32").embed(texts), sentences, atol=1e-4)
    own = load_encoder("text_clip_b32_words").embed(texts)
    assert own.shape == (2, LONGEST, OUT)
    np.testing.assert_allclose(own, words, atol=1e-4)
    assert load_encoder("text_clip_b32").embed([]).shape == (0, OUT)
    cut = load_encoder("text_clip_b32_words").embed(["video " * 100])
    assert np.isfinite(cut).all()


def test_clip_text_without_its_tokeniser_says_what_is_missing(tmp_path):
    add("clip_b32", written_folder(tiny_clip(), tmp_path / "folder"))
    with pytest.raises(WeightError, match=r"needs tokenizer\.json.*--add clip_b32=FOLDER"):
        load_encoder("text_clip_b32")
