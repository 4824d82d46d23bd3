"""Adapters of LAVisH, DG-SCT and AVMoE against the numbers of their official code."""

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


RUNS = {
    "lavish_adapter": lavish,
    "lavish_adapter_bn": lavish,
    "dgsct_adapter": dgsct,
    "avmoe_adapter": avmoe,
    "avmoe_adapter_selfattn": avmoe,
}


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", RUNS)
def test_an_adapter_gives_the_numbers_of_the_official_code(name, precision):
    check(name, precision, RUNS[name])


@pytest.mark.parametrize("name", [name for name in RUNS if name != "lavish_adapter_bn"])
def test_an_adapter_gives_the_gradients_of_the_official_code(name):
    check_gradients(name, RUNS[name], lambda key: official_adapter(key, torch.zeros(1))[0])


@pytest.mark.parametrize("name", RUNS)
def test_an_adapter_has_all_official_parameters_and_no_more(name):
    spec = golden(name).spec
    _, block = RUNS[name](spec, *golden(name).tensors(torch.float32))
    assert sum(weight.numel() for weight in block.parameters()) == spec["parameters"]


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
