"""The walk of Amuse's release: its equations again, what it reads, what learns, how large it is.

The released IWLA_Model itself (xid32/Amuse_code commit 67e53ea) was run outside this project with
the network of `swin_v2_t` and all its own sizes, and gave our logits to 2e-14 in double precision,
its merging of tokens switched off. Here the sums are written a second time, without its modules.
"""

import dataclasses
import math

import pytest
import torch

from fixtures import load_method, make_batch, small_options
from musicavqa.features import towers as supplies
from musicavqa.methods.registry import load_method as load

SIZES = {"compat": "released", "walk": "tiny", "n_asked": 2, "n_moments": 3}


def walking(**changes):
    """A small model in evaluation mode, whose gates are open and whose norms have statistics."""
    method = load_method("amuse")
    options = dataclasses.replace(small_options(method), **{**SIZES, **changes})
    torch.manual_seed(0)
    model = method.build(options).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("gate"):
                weight.fill_(0.7)
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm1d):
                part.running_mean.normal_(0.0, 0.1)
                part.running_var.uniform_(0.8, 1.2)
    return model


def batch_for(model, **changes):
    return make_batch(load_method("amuse").streams(model.options), n_clips=2, per_clip=2, **changes)


def opened(model, *kinds):
    """Only these adapters' gates stay open."""
    with torch.no_grad():
        for name, weight in model.walk.named_parameters():
            if name.endswith("gate") and not any(kind in name for kind in kinds):
                weight.zero_()
    return model


def normed(x, weights, name):
    mean, spread = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / (spread + 1e-5).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def adapted(w, name, own, other):
    """One adapter for tokens (N, D), written token by token."""
    shares = torch.einsum("nc,nd->cd", own, other).exp()
    shares = shares / shares.sum(1, keepdim=True)
    told = own + w[f"{name}.gate"] * torch.einsum("cd,nd->nc", shares, other)
    inside = normed(told, w, f"{name}.norm").clamp(min=0.0)
    mean, spread = (w[f"{name}.batch_norm.running_{part}"] for part in ("mean", "var"))
    inside = (inside - mean) / (spread + 1e-5).sqrt()
    inside = inside * w[f"{name}.batch_norm.weight"] + w[f"{name}.batch_norm.bias"]
    return inside @ w[f"{name}.mix.weight"].T


def linear(x, w, name):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def towered(w, name, words, n_heads=2):
    """One tower for words (14, D), or their numbers (14,)."""
    x = w[f"{name}.words.weight"][words] if words.ndim == 1 else words
    x = x.tanh()
    for layer in (f"{name}.layers.layers.0", f"{name}.layers.layers.1"):
        asked = x @ w[f"{layer}.self_attn.in_proj_weight"].T + w[f"{layer}.self_attn.in_proj_bias"]
        queries, keys, values = (part.chunk(n_heads, 1) for part in asked.chunk(3, 1))
        size = math.sqrt(queries[0].shape[1])
        heads = [
            (q @ k.T / size).softmax(1) @ v for q, k, v in zip(queries, keys, values, strict=True)
        ]
        found = linear(torch.cat(heads, 1), w, f"{layer}.self_attn.out_proj")
        x = normed(x + found, w, f"{layer}.norm1")
        inner = linear(x, w, f"{layer}.linear1").clamp(min=0.0)
        x = normed(x + linear(inner, w, f"{layer}.linear2"), w, f"{layer}.norm2")
    return linear(x.tanh(), w, f"{name}.out")


def walked(walk, spectrum, picture, words):
    """Vectors of one second's spectrum and picture (3, side, side), and the question at the end."""
    w, tower, n_asked = walk.state_dict(), walk.eye.tower, walk.options.n_asked
    ear, eye = (tower.begin(image[None])[0] for image in (spectrum, picture))
    question = towered(w, "towers.0", words)
    for i in range(len(tower.places)):
        name = f"blocks.{i}"
        asked = i < n_asked
        for_ear = w[f"{name}.words.0.map.weight"] @ question if asked else eye
        for_eye = w[f"{name}.words.1.map.weight"] @ question if asked else ear
        to_ear = adapted(w, f"{name}.attended.0", ear, for_ear)
        to_eye = adapted(w, f"{name}.attended.1", eye, for_eye)
        ear = ear + tower.attend(i, ear[None])[0] + to_ear
        eye = eye + tower.attend(i, eye[None])[0] + to_eye
        to_ear = adapted(w, f"{name}.thought.0", ear, eye)
        to_eye = adapted(w, f"{name}.thought.1", eye, ear)
        ear = ear + tower.think(i, ear[None])[0] + to_ear
        eye = eye + tower.think(i, eye[None])[0] + to_eye
        ear, eye = (tower.after(i, tokens[None])[0] for tokens in (ear, eye))
        question = towered(w, f"towers.{i + 1}", question) if asked else question
    ends = (tower.end(tokens[None])[0].mean(0) for tokens in (ear, eye))
    return *ends, towered(w, f"towers.{n_asked + 1}", question)


@pytest.mark.parametrize("width", [32, 24])
def test_the_walk_is_what_its_equations_say(width):
    walk = walking(width=width).double().walk
    batch = batch_for(walk, lengths=[4, 2])
    for name, stream in batch.streams.items():
        batch.streams[name] = stream.double()
    heard, seen, gate = walk(batch)
    spectra, pictures = (batch.streams[name] for name in ("audio_fbank_192", "visual_frames"))
    pictures = walk.eye.tower.normalised(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])
    spectra = spectra.unflatten(2, (32, 6)).mean(3).unflatten(3, (32, 6)).mean(4)
    for row, clip in enumerate(batch.clip_of.tolist()):
        words = torch.zeros(14, dtype=torch.long)
        words[: batch.words.shape[1]] = batch.words[row, :14]
        seconds = [(0, 1, 3), (0, 0, 1)][clip]
        parts = [
            walked(walk, spectra[clip, t].expand(3, -1, -1), pictures[clip, t], words)
            for t in seconds
        ]
        ear, eye = (walk.out(sum(part[i] for part in parts) / 3) for i in range(2))
        for ours, wanted in ((heard, ear), (seen, eye), (gate, parts[0][2].mean(0))):
            torch.testing.assert_close(ours[row], wanted, atol=1e-12, rtol=1e-9)


def test_the_question_tells_behind_the_attention_of_the_first_blocks_only():
    for kinds, tells in ((("0.attended", "1.attended"), True), (("2.attended", "thought"), False)):
        model = opened(walking(), *kinds)
        batch = batch_for(model)
        heard, seen, gate = model.walk(batch)
        batch.words = batch.words.roll(1, 0)
        other_heard, other_seen, other_gate = model.walk(batch)
        assert torch.allclose(heard, other_heard, atol=1e-6) != tells
        assert torch.allclose(seen, other_seen, atol=1e-6) != tells
        assert not torch.allclose(gate, other_gate, atol=1e-4)


def test_sound_and_pictures_tell_each_other_in_every_block():
    for kinds in (("2.attended",), ("0.thought",), ("3.thought",), ("0.attended",)):
        model = opened(walking(), *kinds)
        batch = batch_for(model)
        heard, seen, _ = model.walk(batch)
        batch.streams["visual_frames"] = batch.streams["visual_frames"] + 50.0
        other_heard, other_seen, _ = model.walk(batch)
        assert not torch.allclose(seen, other_seen, atol=1e-4)
        told = kinds != ("0.attended",)  # by the question
        assert torch.allclose(heard, other_heard, atol=1e-6) != told, kinds


def test_only_moments_spread_over_a_clip_are_walked():
    model = walking(n_moments=2)
    batch = batch_for(model, lengths=[4, 3])
    before = model.walk(batch)[:2]
    for stream in ("audio_fbank_192", "visual_frames"):
        batch.streams[stream][:, 1] = 9.0
        batch.streams[stream][1, 3] = 9.0  # which that clip has not
    for ours, wanted in zip(model.walk(batch)[:2], before, strict=True):
        torch.testing.assert_close(ours, wanted, atol=0, rtol=0)
    batch.streams["visual_frames"][1, 2] += 90.0
    assert not torch.allclose(model.walk(batch)[1], before[1], atol=1e-4)


def test_only_the_norms_of_the_walked_network_learn():
    model = walking().train()
    assert not model.walk.eye.tower.training
    batch = batch_for(model, lengths=[4, 2])
    output = model(batch)
    torch.stack([output.logits.square().mean(), *output.losses.values()]).sum().backward()
    for name, weight in model.named_parameters():
        learns = not name.startswith("walk.eye.") or "norm" in name
        assert (weight.grad is not None) == weight.requires_grad == learns, name
    assert all(weight.requires_grad for weight in walking(frozen=False).parameters())


@pytest.mark.parametrize(
    ("changes", "streams"),
    [
        ({}, "audio_fbank_192 visual_frames audio_yamnet visual_effnet music_tempo music_tags"),
        ({"rhythm": False, "sources": False}, "audio_fbank_192 visual_frames visual_effnet"),
        (
            {"rhythm": False, "sources": False, "highway": False},
            "audio_fbank_192 visual_frames",
        ),
    ],
)
def test_features_are_read_only_where_music_or_a_region_is(changes, streams):
    model = walking(**changes)
    assert load_method("amuse").streams(model.options) == tuple(streams.split())
    batch = batch_for(model, lengths=[4, 2])
    assert set(batch.streams) == set(streams.split())
    before = model(batch).logits
    for stream in batch.streams.values():
        stream[~batch.seconds] = 50.0
    torch.testing.assert_close(model(batch).logits, before, atol=1e-5, rtol=1e-4)


def test_it_has_the_parameters_of_the_released_program():
    method = load("amuse")
    options = dataclasses.replace(
        method.module.PUBLISHED, compat="released", n_words=93, **method.module.OFFICIAL_OPTIONS
    )
    with torch.device("meta"):
        model = method.build(options)

    def learning(part):
        return sum(weight.numel() for weight in part.parameters() if weight.requires_grad)

    swin = sum(weight.numel() for weight in model.walk.eye.parameters())
    assert swin + 768 * 1000 + 1000 == 28_347_154  # timm's, with a classifier that nobody reads
    assert learning(model.walk.eye) == 22_080
    # 55,178,956 learn there, of which 12,256,313 reach no output; its region has 640 channels
    region = (768 - 640) * 768 + 768  # and no bias
    assert learning(model) - learning(model.music) == 55_178_956 - 12_256_313 + region
    n_tokens = {name: len(part.map.weight) for name, part in _words_as(model).items()}
    assert n_tokens == {
        **{f"blocks.{i}.words.{s}": [4096, 4096, 1024, 1024][i] for i in range(4) for s in (0, 1)},
        **{f"{kind}_audio.words_as": 6 for kind in ("rhythm", "source")},
        **{f"{kind}_visual.words_as": 5 for kind in ("rhythm", "source")},
        "regions.words_as": 768,
    }


def _words_as(model):
    parts = [*model.walk.named_modules(), *model.asked.named_modules()]
    return {name: part for name, part in parts if hasattr(part, "map")}


def test_official_weights_are_asked_for_by_name(monkeypatch):
    assert walking().weights == {}
    method = load("amuse")
    options = method.module.Options(compat="released", walk="swin_v2_t")
    with torch.device("meta"):
        model = method.build(options)
    assert model.weights == {"walk.eye.tower.network": "swin_v2_t"}
    assert set(model.weights.values()) <= set(supplies.NETWORKS)
    assert model.get_submodule("walk.eye.tower.network") is model.walk.eye.tower.network


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compat": "paper"}, "walk='tiny' is what was released: set compat='released'"),
        ({"interactive": False}, "set interactive=True"),
        ({"n_asked": 5}, "n_asked=5: the question tells from 1 to all 4 blocks of 'tiny'"),
        ({"n_asked": 0}, "n_asked=0: "),
    ],
)
def test_what_cannot_be_walked_is_refused_with_a_line(changes, message):
    with pytest.raises(ValueError, match=message):
        walking(**changes)
