"""Adapters of LAVisH, DG-SCT, AVMoE and Amuse against the numbers of their official code.

And what else Amuse's release has: towers that read the question which tells its adapters, and the
encoder of rhythm and sources.
"""

import pytest
import torch

from musicavqa.methods.layers.adapters import (
    Bottleneck,
    Experts,
    GuidedAdapter,
    LatentAdapter,
    MixedAdapter,
    Shape,
    official_adapter,
)
from musicavqa.methods.layers.channel_adapters import Adapter, WordsAs, WordsAsOne
from musicavqa.methods.layers.music_encoders import BothSenses
from musicavqa.methods.layers.question_towers import QuestionTower, TowerSizes
from parity import DTYPES, check, check_gradients, golden, said


def sizes_of(about):
    return Bottleneck(
        about["num_tokens"], about["reduction_factor"], about["num_conv_group"],
        about["use_gate"], about.get("use_bn", False),
    )  # fmt: skip


def shape_of(inputs):
    own, other = inputs["x"].shape, inputs["other"].shape  # (rows, channels, tokens, 1)
    return Shape(own[1], own[2], other[1], other[2])


def filled(block, weights):
    state = dict(official_adapter(key, tensor) for key, tensor in weights.items())
    block.load_state_dict(state, strict=True)
    return block.eval().to(next(iter(weights.values())).dtype)


def tokens_of(inputs):
    return (inputs[name][..., 0].transpose(1, 2) for name in ("x", "other"))


def as_official(added):
    return added.transpose(1, 2)[..., None]


def lavish(spec, weights, inputs):
    about = said(spec)
    if about.get("is_before_layernorm", 1) != 1 or about.get("is_post_layernorm", 1) != 1:
        pytest.skip("ours has both norms")
    block = filled(LatentAdapter(shape_of(inputs), sizes_of(about)), weights)
    return {"out": as_official(block(*tokens_of(inputs)))}, block


def dgsct(spec, weights, inputs):
    block = filled(GuidedAdapter(shape_of(inputs), sizes_of(said(spec)), 0.3, 0.05), weights)
    added, shares = block(*tokens_of(inputs))
    return {"out": as_official(added), "spatial_map": shares[:, None]}, block


def avmoe(spec, weights, inputs):
    about = said(spec)
    heads = 4 if about["is_self_attention"] else 0
    experts = Experts(
        about["num_multimodal_experts"], about["num_singlemodal_experts"], False, heads, True
    )
    block = filled(MixedAdapter(shape_of(inputs), sizes_of(about), experts), weights)
    added, shares = block(*tokens_of(inputs))
    return {"out": as_official(added), "expert_index": shares.argmax(-1, keepdim=True)}, block


AMUSE_KEYS = {"gate_av": "gate", "ln_before.": "norm.", "bn2.": "batch_norm.", "mlp.": "mix."}


def amuse_key(key):
    """The official key of a tensor of Amuse's adapter -> ours; `gate`, `ln_post` are not used."""
    for theirs, ours in AMUSE_KEYS.items():
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return None


def amuse(spec, weights, inputs):
    """The adapter between streams, by channels, or told by a question's words."""
    about, width = said(spec), len(weights["mlp.weight"])
    state = {amuse_key(k): t for k, t in weights.items() if amuse_key(k)}
    state["mix.weight"] = state["mix.weight"][..., 0, 0]
    block = Adapter(width, "channels" if "type" in about else "tokens").eval()
    block.load_state_dict(state)
    parts = torch.nn.ModuleDict({"block": block}).to(inputs["x"].dtype)
    tokens, told = inputs["x"][..., 0], inputs["y" if "y" in inputs else "q"]
    tokens = tokens.transpose(1, 2) if "type" in about else tokens
    if (mapped := weights.get("ques_emb.weight")) is None:
        return {"out": as_official(block(tokens, told[..., 0].transpose(1, 2)))}, parts
    pooled = tokens.shape[1] == 1  # one token is told by the means of the words
    parts["words"] = (WordsAsOne if pooled else WordsAs)(len(mapped)).to(mapped.dtype)
    parts["words"].load_state_dict({"map.weight": mapped[..., 0, 0]})
    told = parts["words"](told)
    told = told.repeat_interleave(len(tokens) // len(told), dim=0)  # the same for each picture
    return {"out": as_official(block(tokens, told))}, parts


TOWER_KEYS = {"word2vec.": "words.", "transformer.layers.": "layers.layers.", "fc.": "out."}
MUSIC_KEYS = {"transformer_v.layers.": "layers.layers.", "regressor.": "labels."}


def renamed(key, names):
    """The official key of a tensor -> ours, by its beginning."""
    begin = next(begin for begin in names if key.startswith(begin))
    return names[begin] + key.removeprefix(begin)


def tower(spec, weights, inputs):
    """With an embedding of its own, or behind another tower."""
    about = said(spec)
    names = ("word_embed_size", "embed_size", "hidden_size", "num_head")
    sizes = TowerSizes(*(about[name] for name in names), dropout=0.1)
    block = QuestionTower(sizes, about["qst_vocab_size"] if about["vecize"] else 0).eval()
    block.load_state_dict({renamed(key, TOWER_KEYS): tensor for key, tensor in weights.items()})
    block.to(weights["fc.weight"].dtype)
    return {"out": block(inputs["words"])}, block


def music(spec, weights, inputs):
    """Behind the first layer of each sense, in whose place the release has frozen networks."""
    about = said(spec)
    senses, width = ("visual", "audio"), about["width"]
    block = BothSenses(dict.fromkeys(senses, width), width, about["n_labels"], 0.1).eval()
    block.tokens = torch.nn.ModuleDict({sense: torch.nn.Identity() for sense in senses})
    block.load_state_dict({renamed(key, MUSIC_KEYS): tensor for key, tensor in weights.items()})
    block.to(inputs["visual"].dtype)
    (seen, seen_labels), (heard, heard_labels) = (block(inputs[sense], sense) for sense in senses)
    labels = {"visual_labels": seen_labels, "audio_labels": heard_labels}
    return {"f_v": seen, "f_a": heard, **labels}, block


RUNS = {
    "lavish_adapter": lavish,
    "lavish_adapter_bn": lavish,
    "dgsct_adapter": dgsct,
    "avmoe_adapter": avmoe,
    "avmoe_adapter_selfattn": avmoe,
    "amuse_adapter": amuse,
    "amuse_adapter_question": amuse,
    "amuse_adapter_segments": amuse,
    "amuse_adapter_region": amuse,
    "amuse_tower": tower,
    "amuse_tower_chained": tower,
    "amuse_music": music,
}


def our_name(name):
    """The official key of a tensor -> our parameter's name in what `RUNS[name]` returns."""

    def rename(key):
        if not name.startswith("amuse"):
            return official_adapter(key, torch.zeros(1))[0]
        if name.startswith("amuse_tower"):
            return renamed(key, TOWER_KEYS)
        if name == "amuse_music":
            return renamed(key, MUSIC_KEYS)
        return "words.map.weight" if key == "ques_emb.weight" else f"block.{amuse_key(key)}"

    return rename


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", RUNS)
def test_an_adapter_gives_the_numbers_of_the_official_code(name, precision):
    check(name, precision, RUNS[name])


@pytest.mark.parametrize("name", [name for name in RUNS if name != "lavish_adapter_bn"])
def test_an_adapter_gives_the_gradients_of_the_official_code(name):
    check_gradients(name, RUNS[name], our_name(name))


@pytest.mark.parametrize("name", RUNS)
def test_an_adapter_has_all_official_parameters_and_no_more(name):
    spec = golden(name).spec
    _, block = RUNS[name](spec, *golden(name).tensors(torch.float32))
    found = sum(weight.numel() for weight in block.parameters())
    assert found == spec["parameters"] - spec["dead_parameters"]


def test_gradients_through_the_batch_norms_are_those_of_small_steps():
    """Not the fixture's: torch's BatchNorm2d over (N, C, P, 1), evaluated, has others on a CPU."""
    kept = golden("lavish_adapter_bn")
    weights, inputs = kept.tensors(torch.float64)
    found, block = lavish(kept.spec, weights, inputs)
    found["out"].sum().backward()
    bias, step = block.narrow.down_norm.bias, 1e-6
    with torch.no_grad():
        for place in range(3):
            ends = []
            for change in (step, -2 * step):
                bias[place] += change
                ends.append(block(*tokens_of(inputs)).sum())
            bias[place] += step
            slope = (ends[0] - ends[1]) / (2 * step)
            torch.testing.assert_close(bias.grad[place], slope, rtol=1e-5, atol=1e-5)


def test_a_width_that_groups_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="30 numbers cannot be narrowed 4 times in 4 groups"):
        LatentAdapter(Shape(30, 4, 30, 4), Bottleneck(2, 4, 4, True))
