"""LAVisH, DG-SCT, AVMoE: what is frozen, what is kept, how large they are, whose weights fit."""

import dataclasses

import pytest
import torch

from fixtures import load_method, make_batch, small_options
from musicavqa.features import towers
from musicavqa.training.loop import loss_parts

PAIRED = ("dg_sct", "avmoe")
METHODS = ("lavish", "last_att", *PAIRED)
OFFICIAL = ("lavish", *PAIRED)
SWIN_HEAD = 1536 * 21841 + 21841
"""Swin's classifier, which is part of the official count and which nothing reads."""
HTSAT_REST = 2 * 513 * 1024 + 513 * 64 + (768 * 527 * 6 + 527) + (527 * 527 + 527)
"""The original HTS-AT's spectrum as convolutions, filters and both classifiers, likewise."""


def frozen(name, **changes):
    method = load_method(name)
    options = dataclasses.replace(small_options(method), frozen=True, **changes)
    torch.manual_seed(0)
    return method, method.build(options)


def released(name):
    """The released configuration at its full size, without memory."""
    method = load_method(name)
    own = getattr(method.module, "OFFICIAL_OPTIONS", {})
    published = method.module.PUBLISHED
    options = dataclasses.replace(published, compat="released", n_words=93, **own)
    with torch.device("meta"):
        return method.build(options)


def count(module):
    return sum(weight.numel() for weight in module.parameters())


def test_lavish_has_the_official_parameters():
    model = released("lavish")
    assert count(model.meetings) == 4_562_064
    assert count(model.eye) + SWIN_HEAD == 228_772_549
    dead = (128 * 512 + 512) * 2 + (512 * 512 + 512)  # fc_a1 and the like, see DEAD_KEYS
    head = count(model) - count(model.eye) - count(model.meetings)
    assert 12_180_000 - 5_000_000 < head < 12_190_000 - dead


@pytest.mark.parametrize(("name", "adapters"), [("dg_sct", 186_336_456), ("avmoe", 109_841_880)])
def test_paired_methods_have_the_official_parameters(name, adapters):
    model = released(name)
    assert count(model.meetings) == adapters
    assert count(model.eye) + SWIN_HEAD + count(model.ear) + HTSAT_REST == 260_097_692


@pytest.mark.parametrize("name", METHODS)
def test_frozen_parts_get_no_gradients_and_do_not_change(name):
    method, model = frozen(name)
    model.train()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    batch = make_batch(method.streams(model.options), negatives=method.negatives(model.options))
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    sum(loss_parts(model(batch), batch).values()).backward()
    torch.optim.SGD(learning, 0.1).step()
    for key, weight in model.named_parameters():
        inside = key.startswith(("eye.", "ear."))
        assert (weight.grad is None) == inside, key
    for key, tensor in model.state_dict().items():
        if key.startswith(("eye.", "ear.")):
            assert torch.equal(tensor, before[key]), key


@pytest.mark.parametrize("name", METHODS)
def test_maps_that_were_kept_answer_and_teach_like_those_made_anew(name):
    method, model = frozen(name)
    model.eval()
    with torch.no_grad():
        for weight in model.meetings.parameters():
            weight.add_(0.1 * torch.randn_like(weight))  # or gates hide what is behind them
    batch = make_batch(method.streams(model.options), negatives=method.negatives(model.options))
    anew = loss_parts(model(batch), batch)
    tower = model.eye.tower
    pictures = batch.streams["visual_frames"]
    with torch.no_grad():
        maps = tower(tower.normalised(pictures.flatten(0, 1)))
    side = tower.places[-1].side
    maps = maps.transpose(1, 2).unflatten(2, (side, side)).unflatten(0, pictures.shape[:2])
    kept = dataclasses.replace(model.options, frozen_stream="visual_swin_v2")
    other = method.build(kept).eval()
    other.load_state_dict(model.state_dict())
    drawn = batch.negatives
    batch.negatives = {"visual_swin_v2": maps[drawn.clip, drawn.second]}
    found = loss_parts(other(batch), batch)
    assert set(found) == set(anew) == {"answer", "match"}
    for key in found:
        torch.testing.assert_close(found[key], anew[key])


@pytest.mark.parametrize("name", METHODS)
def test_kept_maps_of_a_network_that_learns_are_refused(name):
    with pytest.raises(ValueError, match="frozen=False it changes"):
        load_method(name).options({"frozen_stream": "visual_swin_v2"})


@pytest.mark.parametrize("name", METHODS)
def test_gates_keep_the_network_as_it_was_at_first(name):
    method, model = frozen(name)
    model.eval()
    batch = make_batch(method.streams(model.options), n_clips=2)
    tower = model.eye.tower
    plain = tower(tower.normalised(batch.streams["visual_frames"].flatten(0, 1)))
    seen = []
    model.pixels.register_forward_hook(lambda module, given, result: seen.append(given[0]))
    model(batch)
    torch.testing.assert_close(seen[0], plain)


def test_avmoe_skips_whole_stages():
    _, model = frozen("avmoe", skip_every=2)
    places = model.eye.tower.places
    meet = {places[step.eye].stage for step in model.meetings.plan if step.adapters is not None}
    assert meet == {stage for stage in range(1 + places[-1].stage) if stage % 2 == 0}
    assert 0 < len(model.meetings.ear_1) < len(model.meetings.plan)


SWIN_NAMES = {
    "embeddings.patch_embeddings.projection.": "patch_embed.proj.",
    "embeddings.norm.": "patch_embed.norm.",
    "encoder.layers.": "layers.",
    "layernorm.": "norm.",
    ".layernorm_before.": ".norm1.",
    ".layernorm_after.": ".norm2.",
    ".intermediate.dense.": ".mlp.fc1.",
    ".attention.output.dense.": ".attn.proj.",
    ".output.dense.": ".mlp.fc2.",
    ".attention.self.continuous_position_bias_mlp.": ".attn.cpb_mlp.",
    ".attention.self.logit_scale": ".attn.logit_scale",
    ".attention.self.query.bias": ".attn.q_bias",
    ".attention.self.value.bias": ".attn.v_bias",
    ".attention.self.relative_position_": ".attn.relative_position_",
    "batch_norm.": "bn0.",
}


def official_tower(state, ours, theirs):
    """The layout of timm and of the original HTS-AT: query, key and value in one."""
    made = {}
    inside = {k.removeprefix(ours): v for k, v in state.items() if k.startswith(ours)}
    for key, tensor in inside.items():
        block, found, kind = key.partition(".attention.self.query.")
        joined = kind == "weight" or f"{block}.attention.self.key.bias" in inside
        if found and joined:
            parts = [
                inside[f"{block}.attention.self.{p}.{kind}"] for p in ("query", "key", "value")
            ]
            made[f"{theirs}{official_name(block)}.attn.qkv.{kind}"] = torch.cat(parts)
            continue
        of_one = f"{block}.attention.self.key.bias" in inside or kind == "weight"
        part = key.rpartition(".attention.self.")[2]
        whole = f"{key.rpartition('.attention.self.')[0]}.attention.self.key.bias" in inside
        if part in ("key.weight", "value.weight", "key.bias") or (part == "value.bias" and whole):
            continue
        assert not (found and of_one)
        made[theirs + official_name(key)] = tensor
    return made


def official_name(key):
    for ours, theirs in SWIN_NAMES.items():
        begins = not ours.startswith(".")
        key = theirs + key[len(ours) :] if begins and key.startswith(ours) else key
        key = key if begins else f"{key}.".replace(ours, theirs).removesuffix(".")
    return key


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_names_of_both_towers_are_ours(name):
    method, model = frozen(name)
    state = model.state_dict()
    official = official_tower(state, "eye.tower.network.", "swin.")
    if name in PAIRED:
        official |= official_tower(state, "ear.tower.network.", "htsat.")
    found = method.convert(official)
    wanted = {k: v for k, v in state.items() if k.startswith(("eye.", "ear."))}
    assert set(found) == set(wanted)
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize("layers", [0, 2])
def test_last_has_no_blocks_so_its_pictures_do_not_see_the_second_ear(layers):
    method, model = frozen("last_att", cross_layers=layers)
    batch, seen = make_batch(method.streams(model.options), n_clips=2), []
    model.eval().where.register_forward_hook(lambda module, given, result: seen.append(given[1]))
    for _ in range(2):
        model(batch)
        batch.streams["audio_ast"] = torch.randn_like(batch.streams["audio_ast"])
    assert torch.equal(seen[0], seen[1]) == (layers == 0)


def test_official_weights_are_handed_over_from_the_supply(monkeypatch):
    _, model = frozen("lavish")
    given = load_method("lavish").build(model.options).eye.tower.network
    monkeypatch.setattr(towers, "weight_file", lambda name: name)
    monkeypatch.setitem(towers.NETWORKS, "swin_v2_t", lambda path: given)
    monkeypatch.setattr(type(model), "weights", {"eye.tower.network": "swin_v2_t"})
    towers.supply(model)
    state = model.eye.tower.network.state_dict()
    assert all(torch.equal(state[key], value) for key, value in given.state_dict().items())


@pytest.mark.parametrize("name", METHODS)
def test_published_networks_name_their_weights(name):
    model = released(name)
    assert set(model.weights.values()) <= set(towers.NETWORKS)
    for part in model.weights:
        model.get_submodule(part)


def test_lstta_has_about_the_published_parameters():
    """83 M learn: 23 blocks of three adapters and two tables of latents, and the head."""
    method = load_method("lstta")
    with torch.device("meta"):
        model = method.build(method.module.PUBLISHED)
    adapter = 2 * 1024 * 512 + 512 + 1024
    latents = 23 * 2 * 64 * 1024
    blocks = 23 * (3 * adapter + (1024 + 1) + 6) + latents
    assert count(model.blocks) == blocks
    learning = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert 80_000_000 < learning < 86_000_000


def test_lstta_is_the_plain_encoders_at_first():
    method, model = frozen("lstta")
    model.eval()
    batch = make_batch(method.streams(model.options), n_clips=2)
    ended = []
    model.eye.tower.network.norm.register_forward_hook(
        lambda module, given, result: ended.append(result)
    )
    model(batch)
    pictures = batch.streams["visual_frames"][batch.clip_of].flatten(0, 1)
    model.eye.tower(model.eye.tower.normalised(pictures))
    torch.testing.assert_close(ended[0].flatten(0, 1), ended[1])


def test_the_first_block_of_lstta_runs_once_for_a_clip_and_without_gradients():
    method, model = frozen("lstta")
    batch, seen = make_batch(method.streams(model.options), n_clips=2, per_clip=3), []
    first = model.eye.tower.network.blocks[0].attn
    first.register_forward_hook(lambda module, given, result: seen.append(result[0]))
    model(batch)
    assert [len(tokens) for tokens in seen] == [2 * 4]
    assert not seen[0].requires_grad
