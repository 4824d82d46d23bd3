"""Audio question answering, TJSTG, LAViT, SaSR-Net, AV-Master against their official numbers."""

import dataclasses

import pytest
import torch

from fixtures import load_method
from musicavqa.records import Batch
from musicavqa.training import loss_parts
from parity import DTYPES, check, check_gradients, golden


def loaded(name, options, weights):
    """Our model in the precision of these official weights, evaluation mode."""
    method = load_method(name)
    model = method.build(options).eval().to(next(iter(weights.values())).dtype)
    model.load_state_dict(method.convert(weights), strict=True)
    return model


def batch_of(inputs, streams, negatives=None, texts=None):
    """One question per clip; every second is there."""
    first = next(iter(streams.values()))
    return Batch(
        keys=[str(row) for row in range(len(first))],
        streams=streams,
        seconds=torch.ones(first.shape[:2], dtype=torch.bool),
        clip_of=torch.arange(len(first)),
        words=inputs.get("question"),
        answers=inputs["target"],
        negatives=negatives or {},
        texts=texts or {},
    )


def daqa(name, n_attentions):
    """Runner of FCNLSTM or CONVLSTM; the 650 frames of the fixture are 13 rows of 50 frames."""

    def run(weights, inputs):
        options = dataclasses.replace(load_method(name).module.PUBLISHED, n_attentions=n_attentions)
        model = loaded(name, options, weights)
        maps = []
        model.mel.register_forward_hook(lambda module, given, result: maps.append(result[0]))
        mel = inputs["mel"].unflatten(1, (13, 1, 50))
        batch = batch_of(inputs, {"audio_logmel_10ms": mel})
        output = model(batch)
        found = {"logits": output.logits, "conv_map_mean": maps[0].mean((2, 3))}
        found["loss.ce"] = loss_parts(output, batch)["answer"]
        return found, model

    return run


RUNS = {
    "fcnlstm": ("fcnlstm", daqa("fcnlstm", 0)),
    "fcnlstm_nsa": ("fcnlstm", daqa("fcnlstm", 2)),
    "convlstm": ("convlstm", daqa("convlstm", 0)),
    "convlstm_nsa": ("convlstm", daqa("convlstm", 2)),
}
"""Name of the golden -> our method and how it is run."""


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_numbers_of_the_official_code(name, precision):
    check(name, precision, RUNS[name][1])


@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_gradients_of_the_official_code(name):
    method, run = RUNS[name]
    convert = load_method(method).convert
    check_gradients(name, run, lambda key: next(iter(convert({key: torch.zeros(1)}))))


@pytest.mark.parametrize("name", RUNS)
def test_the_model_has_all_living_official_parameters_and_no_more(name):
    method, run = RUNS[name]
    weights, inputs = golden(name).tensors(torch.float32)
    with torch.no_grad():
        _, model = run(weights, inputs)
    dead = load_method(method).module.DEAD_KEYS
    spec = golden(name).spec
    left_behind = {key for key in spec["state_dict"] if key.startswith(dead)}
    assert left_behind >= set(spec["dead_keys"])
    ours = sum(parameter.numel() for parameter in model.parameters())
    assert ours == spec["parameters"] - sum(weights[key].numel() for key in left_behind)
