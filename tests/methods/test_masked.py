"""Masked pre-training: patches, what is hidden, and the two methods that learn by it."""

import dataclasses

import pytest
import torch

from fixtures import load_method, make_batch, small_options
from musicavqa.methods.layers.masked import (
    Patches,
    contrast,
    drawn_seconds,
    is_kept,
    left_over,
    put_back,
    remaking_loss,
    take,
)


def test_patches_hold_their_own_numbers_row_by_row():
    picture = torch.arange(24.0).view(1, 1, 4, 6)
    found = Patches("visual_any", (1, 4, 6), (2, 3), 8).pieces(picture)
    assert found.shape == (1, 4, 6)
    assert found[0, 1].tolist() == [3, 4, 5, 9, 10, 11]
    raw = Patches("visual_frames_224", (1, 4, 6), (2, 3), 8).pieces(picture * 0 + 255)
    assert raw.unique().tolist() == [1]


def test_a_patch_layer_is_the_convolution_of_official_weights():
    layer, convolution = (
        Patches("audio_x", (2, 4, 6), (2, 3), 8),
        torch.nn.Conv2d(2, 8, (2, 3), (2, 3)),
    )
    with torch.no_grad():
        layer.places.zero_()
        layer.embed.weight.copy_(convolution.weight.flatten(1))
        layer.embed.bias.copy_(convolution.bias)
    rows = torch.randn(3, 2, 4, 6)
    wanted = convolution(rows).flatten(2).transpose(1, 2)
    torch.testing.assert_close(layer(layer.pieces(rows)), wanted)


@pytest.mark.parametrize(("hidden", "n_kept"), [(0.0, 16), (0.5, 8), (0.75, 4), (0.99, 1)])
def test_so_many_tokens_are_left(hidden, n_kept):
    kept = left_over(5, 16, hidden, torch.device("cpu"))
    assert kept.shape == (5, n_kept)
    assert all(len(set(row)) == n_kept for row in kept.tolist())
    tokens, filler = torch.randn(5, 16, 3), torch.full((3,), 7.0)
    full = put_back(take(tokens, kept), kept, filler, 16)
    there = is_kept(kept, 16)
    assert torch.equal(full[there], tokens[there])
    assert (full[~there] == 7).all()


def test_patches_that_do_not_count_do_not_matter():
    made, pieces = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    counted = torch.tensor([[True, True, False, False]] * 2)
    before = remaking_loss(made, pieces, counted)
    made[:, 2:] = 50
    assert remaking_loss(made, pieces, counted) == before
    assert remaking_loss(made, 3 * pieces + 1, counted).isclose(before, rtol=1e-3)  # scaled


def test_the_contrast_is_lowest_for_true_pairs_and_mirrors_its_arguments():
    one, other = torch.randn(6, 4), torch.randn(6, 4)
    there, back = contrast(one, other, 0.1)
    swapped = contrast(other, one, 0.1)
    torch.testing.assert_close((there, back), (swapped[1], swapped[0]))
    true = contrast(one, 3 * one, 0.01)[0]
    assert true < there
    torch.testing.assert_close(contrast(one * 0 + 1, one * 0 + 1, 0.1)[0], torch.tensor(6.0).log())


def test_seconds_are_drawn_among_those_that_a_clip_has():
    valid = torch.arange(5) < torch.tensor([5, 1, 3])[:, None]
    clip, second = drawn_seconds(valid, 50)
    assert valid[clip, second].all()
    assert second[clip == 0].unique().tolist() == [0, 1, 2, 3, 4]


def small(name, **changes):
    method = load_method(name)
    torch.manual_seed(0)
    model = method.build(dataclasses.replace(small_options(method), **changes)).train()
    return model, make_batch(method.streams(model.options))


@pytest.mark.parametrize("name", ["avsiam", "crossmae"])
def test_every_parameter_learns_in_pre_training_or_in_answering(name):
    model, batch = small(name)
    torch.stack(list(model.stage_losses("pretraining", batch).values())).sum().backward()
    model(batch).logits.sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("compat", ["paper", "released"])
def test_senses_share_their_blocks(compat):
    model, _ = small("avsiam", compat=compat)
    assert {key.split(".")[1] for key in model.norm.state_dict()} <= {"weight", "bias"}
    assert set(model.norm) == ({"audio", "visual"} if compat == "released" else {"both"})
    tokens = torch.randn(1, 4, 32)
    same = model.blocks[0].eval()
    if compat == "paper":
        norms = {model._norm("audio"), model._norm("visual")}
        assert norms == {"both"}
    else:
        with torch.no_grad():
            same.norm_tokens["audio"].bias += 1.0
        assert not torch.equal(same(tokens, "audio"), same(tokens, "visual"))


def test_each_group_of_pairs_hides_a_share_of_its_own():
    model, _ = small("avsiam", groups=4, most_hidden=0.5)
    kept = []
    model.read_before = model.read
    model.read = lambda sense, pieces, left=None: (
        kept.append((sense, len(pieces), left.shape[1])), model.read_before(sense, pieces, left),
    )[1]  # fmt: skip
    pieces = {s: torch.randn(40, p.n_tokens, p.n_numbers) for s, p in model.patches.items()}
    audio, visual = model.pooled(pieces)
    assert audio.shape == visual.shape == (40, 32)
    assert [(sense, n) for sense, n, _ in kept] == [("audio", 10)] * 4 + [("visual", 10)] * 4
    shares = {n for sense, _, n in kept if sense == "visual"}
    assert len(shares) > 1
    assert all(24 < n <= 49 for n in shares)  # at most half is hidden


def test_a_question_is_answered_from_one_sense_in_the_wanted_share():
    model, _ = small("avsiam", one_sense=0.5)
    counted = model._counted(torch.zeros(4000, 32))
    alone = 1 - counted["both"].mean()
    assert 0.45 < alone < 0.55
    one = counted["both"] == 0
    assert (counted["audio"][one] + counted["visual"][one] == 1).all()
    assert 0.4 < counted["audio"][one].mean() < 0.6
    assert all((kept == 1).all() for kept in model.eval()._counted(torch.zeros(9, 32)).values())


def official_avsiam(width=768, layers=12):
    """The layout of official weights at full size, without memory."""
    shapes = {
        "cls_token": (1, 1, width), "pos_embed": (1, 197, width), "pos_embed_a": (1, 512, width),
        "patch_embed.proj.weight": (width, 3, 16, 16), "patch_embed.proj.bias": (width,),
        "patch_embed_a.proj.weight": (width, 1, 16, 16), "patch_embed_a.proj.bias": (width,),
        "head.weight": (21843, width), "head.bias": (21843,),
    }  # fmt: skip
    for norm in ("norm", "norm_a"):
        shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    block = {
        f"{norm}{sense}.{kind}": (width,)
        for norm in ("norm1", "norm2") for sense in ("", "_a", "_v") for kind in ("weight", "bias")
    }  # fmt: skip
    for name, out, into in (
        ("attn.qkv", 3, 1), ("attn.proj", 1, 1), ("mlp.fc1", 4, 1), ("mlp.fc2", 1, 4),
    ):  # fmt: skip
        block |= {f"{name}.weight": (out * width, into * width), f"{name}.bias": (out * width,)}
    shapes |= {f"blocks.{i}.{key}": shape for i in range(layers) for key, shape in block.items()}
    shapes = {f"vit_base.{key}": shape for key, shape in shapes.items()}
    for number in (1, 2):
        shapes |= {f"mm_layer_{number}.{key}": shape for key, shape in block.items()}
    return {f"module.{key}": torch.empty(shape, device="meta") for key, shape in shapes.items()}


def test_official_weights_of_avsiam_fill_all_but_what_is_ours():
    method, state = load_method("avsiam"), official_avsiam()
    blocks = [k for k in state if k.startswith("module.vit_base.blocks.")]
    assert sum(state[key].numel() for key in blocks) == 85_128_192
    found = method.convert(state)
    options = dataclasses.replace(method.module.PUBLISHED, compat="released")
    with torch.device("meta"):
        ours = method.build(options).state_dict()
    assert {k: v.shape for k, v in found.items()} == {
        k: v.shape for k, v in ours.items() if not k.startswith(method.module.OWN_PARTS)
    }


def test_a_spectrum_is_read_in_the_order_of_official_places():
    """Official spectra are bands x frames, ours frames x bands: the same tokens, turned."""
    method = load_method("avsiam")
    kernel, places = torch.randn(8, 1, 16, 16), torch.randn(1, 512, 8)
    official = {"vit_base.patch_embed_a.proj.weight": kernel, "vit_base.pos_embed_a": places}
    found = method.convert(official)
    layer = Patches("audio_fbank_128", (1, 1024, 128), (16, 16), 8)
    with torch.no_grad():
        layer.embed.weight.copy_(found["patches.audio.embed.weight"])
        layer.embed.bias.zero_()
        layer.places.copy_(found["patches.audio.places"])
    spectrum = torch.randn(1, 1024, 128)
    ours = layer(layer.pieces(spectrum))[0]
    maps = torch.nn.functional.conv2d(spectrum[:, None].transpose(2, 3), kernel, stride=16)
    theirs = (maps.flatten(2).transpose(1, 2) + places)[0].unflatten(0, (8, 64))
    torch.testing.assert_close(ours, theirs.transpose(0, 1).flatten(0, 1), atol=1e-4, rtol=1e-4)


def test_patches_that_do_not_fill_their_picture_are_refused():
    with pytest.raises(ValueError, match="does not part visual_shape"):
        load_method("avsiam").options({"visual_patch": (2, 2)})


VARIANTS = {
    "CL-AV": ({"level_1": "none", "level_2": False}, {"contrast"}),
    "SelfMAE": ({"level_1": "self", "level_2": False, "contrast_weight": 0.0}, {"patches"}),
    "CL-SelfMAE": ({"level_1": "self", "level_2": False}, {"contrast", "patches"}),
    "CL-CrossCdtMAE": ({"level_2": False}, {"contrast", "patches"}),
    "CL-CrossEmbMAE": ({"level_1": "none"}, {"contrast", "features"}),
    "CrossMAE": ({}, {"contrast", "patches", "features"}),
    "hidden": ({"remade": "hidden", "attentive": "full"}, {"contrast", "patches", "features"}),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_of_crossmae_learn_what_they_name(variant):
    changes, names = VARIANTS[variant]
    model, batch = small("crossmae", **changes)
    losses = model.stage_losses("pretraining", batch)
    assert set(losses) == names
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is not None for p in model.pretraining.parameters())


def test_crossmae_reads_only_what_is_left_while_it_is_pre_trained():
    model, _ = small("crossmae", level_2=False, drop_path=0.0)
    pieces = {
        s: torch.randn(3, e.patches.n_tokens, e.patches.n_numbers, requires_grad=True)
        for s, e in model.encoders.items()
    }
    kept = {s: left_over(3, p.shape[1], 0.75, p.device) for s, p in pieces.items()}
    read = {s: model.encoders[s](pieces[s], kept[s]) for s in pieces}
    assert {s: r.tokens.shape[1] for s, r in read.items()} == {"audio": 5, "visual": 13}
    made = model.pretraining["patches_visual"](
        read["visual"].tokens, kept["visual"], read["audio"].most(0.25)[1]
    )
    made.sum().backward()
    for sense, gradient in ((s, p.grad) for s, p in pieces.items()):
        reached = gradient.abs().sum(-1) > 0
        assert not (reached & ~is_kept(kept[sense], reached.shape[1])).any()
        assert reached.any()  # the other sense helps


def test_the_tokens_that_matter_most_are_those_that_the_summary_looks_at():
    module = load_method("crossmae").module
    looks = torch.tensor([[0.1, 0.4, 0.2, 0.3, 0.0]])
    read = module.Read(torch.zeros(1, 2), torch.arange(10.0).view(1, 5, 2), looks)
    best, tokens = read.most(0.25)
    assert best.tolist() == [[1, 3]]  # a quarter of five, rounded up
    assert tokens.tolist() == [[[2, 3], [6, 7]]]


def test_features_of_the_other_sense_are_targets_and_learn_nothing_from_that():
    model, batch = small("crossmae", level_1="none", contrast_weight=0.0, drop_path=0.0)
    pieces = {s: model._pieces(batch, s)[:, 0].detach() for s in model.encoders}
    kept = left_over(4, pieces["audio"].shape[1], 0.75, pieces["audio"].device)
    read = {"audio": model.encoders["audio"](pieces["audio"], kept)}
    made = model.pretraining["features_visual"](read["audio"].tokens)
    assert made.shape == (4, 49, 32)
    loss = model.level_2({**read, "visual": model.encoders["visual"](pieces["visual"])}, pieces)
    loss.backward()
    summary = model.encoders["visual"].norm.weight.grad
    assert summary is not None  # as a source it learns, as a target it does not
    assert model.pretraining["features_visual"].queries.grad.abs().sum() > 0


def test_crossmae_without_anything_to_learn_is_refused():
    with pytest.raises(ValueError, match="nothing is learned"):
        load_method("crossmae").options(
            {"level_1": "none", "level_2": False, "contrast_weight": 0.0}
        )
