"""Re-implemented methods against the numbers that the official code gave, in both precisions."""

import dataclasses

import pytest
import torch

from fixtures import load_method
from musicavqa.records import Batch
from musicavqa.training.loop import loss_parts
from parity import DTYPES, avst_sizes, check, check_gradients, golden


def avst_as_released(spec, weights, inputs):
    """Our AVST with official weights; outputs under the official names, and the model."""
    method = load_method("avst")
    options = dataclasses.replace(
        method.module.PUBLISHED, every_nth_second=1, compat="released", **avst_sizes(spec, inputs)
    )
    model = method.build(options).eval().to(inputs["audio"].dtype)
    model.load_state_dict(method.convert(weights), strict=True)
    batch = Batch(
        keys=[str(row) for row in range(len(inputs["audio"]))],
        streams={"audio_vggish": inputs["audio"], "visual_resnet18_map": inputs["visual_posi"]},
        seconds=torch.ones(inputs["audio"].shape[:2], dtype=torch.bool),
        clip_of=torch.arange(len(inputs["audio"])),
        words=inputs["question"],
        answers=inputs["target"],
        negatives={"visual_resnet18_map": inputs["visual_nega"]},
    )
    pairs = []
    model.match.register_forward_hook(lambda module, given, result: pairs.append(result))
    output = model(batch)
    losses = loss_parts(output, batch)
    found = {"out_qa": output.logits, "out_match_posi": pairs[0], "out_match_nega": pairs[1]}
    found["loss.ce"] = losses["answer"]
    found["loss.match"] = losses["match"] / options.match_weight
    found["loss.total"] = losses["answer"] + losses["match"]
    return found, model


RUNS = {"avst": avst_as_released}


@pytest.mark.parametrize("precision", DTYPES)
def test_avst_gives_the_numbers_of_the_official_code(precision):
    check("avst", precision, avst_as_released)


def test_avst_gives_the_gradients_of_the_official_code():
    convert = load_method("avst").convert
    check_gradients("avst", avst_as_released, lambda key: next(iter(convert({key: 0}))))


def test_dead_parameters_of_avst_are_left_behind():
    dead = load_method("avst").module.DEAD_KEYS
    spec = golden("avst").spec
    assert {key for key in spec["state_dict"] if key.startswith(dead)} >= set(spec["dead_keys"])


def test_an_official_key_without_a_place_is_an_error():
    with pytest.raises(ValueError, match="no place for 'fc_new"):
        load_method("avst").convert({"module.fc_new.weight": torch.zeros(1)})
