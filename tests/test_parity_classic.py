"""Classical question answering networks against the numbers that their official code gave.

Each network is filled with the weights of the fixture through its converter and runs on the
official inputs; what our models put around it (streams, head) has no official counterpart.
"""

import dataclasses

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from fixtures import load_method
from parity import DTYPES, check, check_gradients, golden


def released(name, weights, dtype, **changes):
    """The method at its published sizes with official weights, and its `network`."""
    method = load_method(name)
    options = dataclasses.replace(
        method.module.PUBLISHED, audio_stream=None, compat="released", **changes
    )
    model = method.build(options).eval().to(dtype)
    model.load_state_dict(method.convert(weights), strict=True)
    return model, model.network


def our_name(name, key):
    """Our name of one official parameter."""
    shape = golden(name).spec["state_dict"][key]["shape"]
    return next(iter(load_method(name).convert({key: torch.zeros(shape)})))


def mcan(weights, inputs):
    regions = inputs["img_feat"]
    model, network = released("mcan", weights, regions.dtype)
    flat = {}
    for name, part in (("flat_img", network.pool_tokens), ("flat_lang", network.pool_words)):
        part.register_forward_hook(lambda _, __, found, name=name: flat.update({name: found[0]}))
    tokens, there = network.picture(regions), (regions != 0).any(-1)
    logits, _ = network(inputs["ques_ix"], tokens, there, torch.arange(len(tokens)))
    loss = binary_cross_entropy_with_logits(logits, inputs["target"], reduction="sum")
    return {"logits": logits, "scores": logits.sigmoid(), "loss.bce_sum": loss, **flat}, model


RUNS = {"mcan": mcan}


@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_numbers_and_gradients_of_the_official_code(name):
    for precision in DTYPES:
        check(name, precision, RUNS[name])
    check_gradients(name, RUNS[name], lambda key: our_name(name, key))
