"""Re-implemented methods against the numbers that the official code gave, in both precisions.

Weights and inputs are made from a seed and a name, by the rules that come with the numbers (see
`made`). The goldens hold the numbers; where the folder they come from lies beside the repository,
its second set of checks runs too.
"""

import dataclasses
import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures import load_method
from musicavqa.records import Batch
from musicavqa.training import loss_parts

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT.parent / "shared" / "parity"
GOLDEN = json.loads((ROOT / "tests" / "goldens" / "avst.json").read_text())
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def made(name, shape, seed):
    """The float32 tensor that belongs to a name: its own generator, then a scale by its kind."""
    crc = zlib.crc32(name.encode())
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc])))
    normal = rng.standard_normal(tuple(shape))
    if len(shape) > 1:
        value = normal / math.sqrt(math.prod(shape[1:]))
    elif name.endswith(".weight"):
        value = 1.0 + 0.1 * normal
    else:
        value = 0.1 * normal
    return value.astype(np.float32)


def made_input(item, seed):
    crc = zlib.crc32(f"input:{item['name']}".encode())
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc])))
    if item["kind"] == "int":
        return rng.integers(item["low"], item["high"], size=item["shape"], dtype=np.int64)
    return rng.standard_normal(item["shape"]).astype(np.float32)


def golden_tensors():
    """Weights by official key and inputs by name, checked against the golden's sums."""
    seed = GOLDEN["seed"]
    weights = {key: made(key, shape, seed) for key, shape in GOLDEN["live_keys"].items()}
    inputs = {item["name"]: made_input(item, item["seed"]) for item in GOLDEN["inputs"]}
    for kind, arrays in (("weights", weights), ("inputs", inputs)):
        total = sum(float(np.abs(array.astype(np.float64)).sum()) for array in arrays.values())
        assert total == pytest.approx(GOLDEN["abs_sums"][kind], rel=1e-9), "numpy draws otherwise"
    return weights, inputs


def answer_as_released(weights, inputs, dtype):
    """Our AVST with official weights; outputs under the official names, and the model."""
    method = load_method("avst")
    options = dataclasses.replace(
        method.module.PUBLISHED, every_nth_second=1, n_words=93, compat="released"
    )
    model = method.build(options).eval()
    state = method.convert({key: torch.from_numpy(value) for key, value in weights.items()})
    model.load_state_dict(state, strict=True)
    model.to(dtype)
    tensors = {key: torch.from_numpy(value) for key, value in inputs.items()}
    audio, visual, other = (
        tensors[key].to(dtype) for key in ("audio", "visual_posi", "visual_nega")
    )
    batch = Batch(
        keys=[str(row) for row in range(len(audio))],
        streams={"audio_vggish": audio, "visual_resnet18_map": visual},
        seconds=torch.ones(audio.shape[:2], dtype=torch.bool),
        clip_of=torch.arange(len(audio)),
        words=tensors["question"],
        answers=tensors["target"],
        negatives={"visual_resnet18_map": other},
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


@pytest.mark.parametrize("precision", DTYPES)
def test_avst_gives_the_numbers_of_the_official_code(precision):
    found, _ = answer_as_released(*golden_tensors(), DTYPES[precision])
    for name, tensor in found.items():
        wanted = np.array(GOLDEN["outputs"][precision][name])
        limit = GOLDEN["tolerance"][precision][name]
        difference = np.abs(tensor.detach().numpy().astype(np.float64) - wanted).max()
        assert difference <= limit, name


def test_avst_gives_the_gradients_of_the_official_code():
    found, model = answer_as_released(*golden_tensors(), torch.float64)
    found["out_qa"].sum().backward()
    ours = dict(model.named_parameters())
    convert = load_method("avst").convert
    for key, wanted in GOLDEN["gradient_l2"].items():
        (name,) = convert({key: torch.zeros(1)})
        assert float(ours[name].grad.norm()) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("precision", DTYPES)
def test_avst_matches_the_whole_fixture(precision, monkeypatch):
    if not (FIXTURES / "avst.json").exists():
        pytest.skip("the parity folder does not lie beside the repository")
    monkeypatch.syspath_prepend(str(FIXTURES))
    import weights

    spec = weights.load_fixture(FIXTURES / "avst.json")
    official = weights.fixture_weights(spec)
    found, _ = answer_as_released(official, weights.fixture_inputs(spec), DTYPES[precision])
    ours = {name: tensor.detach().numpy() for name, tensor in found.items()}
    reference = np.load(FIXTURES / "avst.npz")
    assert weights.compare(spec, reference, ours, precision) == []
    dead = load_method("avst").module.DEAD_KEYS
    assert {key for key in official if key.startswith(dead)} >= set(spec["dead_keys"])


def test_an_official_key_without_a_place_is_an_error():
    with pytest.raises(ValueError, match="no place for 'fc_new"):
        load_method("avst").convert({"module.fc_new.weight": torch.zeros(1)})
