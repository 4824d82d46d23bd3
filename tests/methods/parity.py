"""Numbers of official implementations, small enough to live here, and how to compare with them.

A golden, goldens/parity/<name>.json, states its origin and holds key names, shapes and outputs. The
weights and inputs are made again from a seed and a name (`made_tensor`), never stored. The folder
../shared/parity (or $MUSICAVQA_PARITY) holds the same and more; a golden is cut from it by

    python tests/methods/parity.py NAME OUTPUT [OUTPUT ...]

and `check` also compares with the whole fixture where that folder is there, with the sizes, the
options, the weights and the inputs that the fixture's own spec states.

Part `second` of a golden has other sizes and options, weights made by the same rule in the shapes
that those sizes give them, and the double numbers that our network gave there when it was known to
give the official ones at the first size: no official code stands behind them, they hold us to what
we computed.
    python tests/methods/parity.py --second NAME MODULE:RUN [INPUT=SHAPE] [OPTION=VALUE] [SIZE:SIZE]
`192:128` makes 128 of every 192 in the shapes of inputs and weights.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

GOLDENS = Path(__file__).parents[1] / "goldens" / "parity"
RULES = Path(__file__).parents[3] / "shared" / "parity"
FIXTURES = Path(os.environ.get("MUSICAVQA_PARITY", RULES))
DTYPES = {"float32": torch.float32, "float64": torch.float64}
MOST = 256
"""Numbers kept of one output."""
WAVES = 2.0**-21
"""Of the root mean square. The exp and sin of single precision differ between processors in their
last place, 2**-23 of the value; PSAC's outputs move by about 2**-23 of theirs when either does, so
this is both of them, twice. It is a twentieth of what single precision itself is held to."""

SECOND_MOST = 48
"""And of one output at the second size."""
RELATIVE = 1e-9
"""What double precision is held to, of the root mean square."""

Tensors = dict[str, torch.Tensor]
Spec = dict[str, Any]
Run = Callable[[Spec, Tensors, Tensors], tuple[dict[str, torch.Tensor], torch.nn.Module]]
"""(spec, official weights, inputs), in the precision wanted -> (outputs by official name, model).

Sizes and options are those of the spec (`said`), of its weights or of its inputs, never constants.
"""


@dataclass(frozen=True)
class Golden:
    """One reference run."""

    spec: Spec
    made_already: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None = None
    """Weights and inputs, where another run has the same."""

    def tensors(self, dtype: torch.dtype) -> tuple[Tensors, Tensors]:
        """Weights by official key and inputs by name, checked against the sums that were kept."""
        weights, inputs = self.made
        return _torch(weights, dtype), _torch(inputs, dtype)

    @cached_property
    def made(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The same as arrays; drawing many millions of numbers takes seconds."""
        if self.made_already is not None:
            return self.made_already
        weights, inputs = _weights(self.spec), _inputs(self.spec)
        if "weights_checksum" not in self.spec:
            return weights, inputs
        for kind, arrays in (("weights", weights), ("inputs", inputs)):
            total = sum(float(np.abs(np.asarray(a, np.float64)).sum()) for a in arrays.values())
            kept = self.spec[f"{kind}_checksum"]["abs_sum"]
            assert math.isclose(total, kept, rel_tol=1e-9), f"numpy draws other {kind}"
        return weights, inputs

    @property
    def second(self) -> Golden | None:
        """The second size, where there is one; its weights are the same where no shape changes."""
        if (other := self.spec.get("second")) is None:
            return None
        spec = {key: value for key, value in self.spec.items() if not key.endswith("_checksum")}
        spec |= {**other, "options": {**(spec["options"] or {}), **other["options"]}}
        shapes = other.get("shapes", {})
        spec["state_dict"] = {
            key: {**about, "shape": shapes.get(key, about["shape"])}
            for key, about in self.spec["state_dict"].items()
        }
        return Golden(spec, (_weights(spec) if shapes else self.made[0], _inputs(spec)))


@lru_cache(maxsize=1)
def golden(name: str) -> Golden:
    """The golden goldens/parity/<name>.json."""
    return Golden(json.loads((GOLDENS / f"{name}.json").read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def fixture(name: str) -> Golden | None:
    """The whole fixture, or None where there is no such folder.

    It is the golden itself, whose numbers need no second drawing, where both say the same.
    """
    path = FIXTURES / f"{name}.json"
    if not path.exists():
        return None
    spec, kept = json.loads(path.read_text(encoding="utf-8")), golden(name)
    made_of = ("seed", "inputs", "state_dict", "fill_scale", "constructor", "options")
    same = all(spec.get(key, {}) == kept.spec.get(key, {}) for key in made_of)
    return Golden(spec, kept.made) if same else Golden(spec)


def said(spec: Spec) -> dict[str, Any]:
    """What a spec says of the network's options and sizes, by official name."""
    return {**(spec.get("constructor") or {}), **(spec.get("options") or {})}


def size(spec: Spec, key: str, axis: int = 0) -> int:
    """Size of one axis of an official weight."""
    return spec["state_dict"][key]["shape"][axis]


def numbered(spec: Spec, prefix: str) -> int:
    """How many official layers have names that begin with this prefix and a number."""
    keys = [key[len(prefix) :] for key in spec["state_dict"] if key.startswith(prefix)]
    return len({key.split(".")[0] for key in keys})


def avst_sizes(spec: Spec, inputs: Tensors) -> dict[str, int]:
    """Sizes of a network of AVST's family, whose official layers bear the same names."""
    pictures = next(t for key, t in inputs.items() if key.startswith("visual"))
    return {
        "n_words": size(spec, "question_encoder.word2vec.weight"),
        "width": size(spec, "fc_ans.weight", 1),
        "audio_width": size(spec, "fc_a1.weight", 1),
        "visual_width": pictures.shape[2],
    }


def check(name: str, precision: str, run: Run, single: frozenset[str] = frozenset()) -> None:
    """Assert that `run` gives the golden's outputs, and the whole fixture's where that is here.

    Of the whole fixture those outputs are compared that `run` returns. `single` are outputs that
    stand on waves of single precision in the double run too: they are held to `WAVES` there. The
    second size is in double precision only.
    """
    kept, whole = golden(name), fixture(name)
    values = _run(run, kept, precision)
    problems = _compare(values, kept.spec["values"], precision, kept.spec["rtol"], single)
    assert not problems, problems
    if second := kept.second if precision == "float64" else None:
        found = _run(run, second, precision)
        wanted = second.spec["values"]
        assert not (problems := _compare(found, wanted, precision, 0.0, single)), problems
    if whole is not None:
        if whole.made_already is None:
            values = _run(run, whole, precision)
        exact = {k: v for k, v in values.items() if precision == "float32" or k not in single}
        _check_fixture(whole.spec, name, precision, exact)


def check_gradients(name: str, run: Run, ours: Callable[[str], str | list[str]]) -> None:
    """Assert the L2 norms of the gradients (float64).

    `ours` names our parameter of a key, or all of them where we split what is one there.
    """
    for kept in (golden(name), fixture(name)):
        if kept is None or (kept.made_already is not None):
            continue
        found, model = run(kept.spec, *kept.tensors(torch.float64))
        gradient = kept.spec["gradient"]
        found[gradient["of"].removesuffix(".sum()")].sum().backward()
        parameters = dict(model.named_parameters())
        for key, wanted in gradient["l2"].items():
            here = ours(key)
            grads = [parameters[n].grad for n in ([here] if isinstance(here, str) else here)]
            assert all(grad is not None for grad in grads), key
            found_norm = math.hypot(*(float(grad.norm()) for grad in grads))
            assert math.isclose(found_norm, wanted, rel_tol=1e-6, abs_tol=1e-12), key


def _run(run: Run, kept: Golden, precision: str) -> dict[str, np.ndarray]:
    with torch.no_grad():
        found, _ = run(kept.spec, *kept.tensors(DTYPES[precision]))
    return {key: np.asarray(value.detach()) for key, value in found.items()}


def _compare(
    values: Mapping[str, np.ndarray],
    wanted: Mapping[str, Any],
    precision: str,
    rtol: float,
    single: frozenset[str],
) -> list[str]:
    problems = [f"no {output}" for output in wanted if output not in values]
    for output in wanted.keys() & values.keys():
        stored = wanted[output]
        part = values[output].reshape(-1)[:: stored["stride"]]
        rounding = WAVES if output in single and precision == "float64" else 0.0
        problems += _differences(output, part, stored, precision, rtol, rounding)
    return problems


def made_tensor(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The float32 value of a parameter: a generator of its own, then a scale by its kind."""
    last = name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, np.float32)
    normal = _generator(name, seed).standard_normal(shape)
    if last == "running_var":
        value = 1.0 + 0.1 * np.abs(normal)
    elif last in ("a_2", "weight_g"):
        value = 1.0 + 0.1 * normal
    elif last != "running_mean" and len(shape) >= 2:
        value = normal / math.sqrt(max(math.prod(shape[1:]), 1))
    elif last == "weight" and len(shape) == 1:
        value = 1.0 + 0.1 * normal
    else:
        value = 0.1 * normal
    return np.asarray(value, np.float32)


def made_input(item: Mapping[str, Any]) -> np.ndarray:
    """One input array, by its name, kind and seed."""
    rng, shape = _generator(f"input:{item['name']}", item["seed"]), tuple(item["shape"])
    low, high = item.get("low", 0), item.get("high", 1)
    kind = item["kind"]
    if kind == "normal":
        value = (item.get("scale", 1.0) * rng.standard_normal(shape)).astype(np.float32)
    elif kind == "uniform":
        value = (low + (high - low) * rng.random(shape)).astype(np.float32)
    elif kind == "int":
        value = rng.integers(int(low), int(high), size=shape, dtype=np.int64)
    elif kind == "binary":
        value = rng.integers(0, 2, size=shape, dtype=np.int64).astype(np.float32)
    elif kind == "constant":
        value = np.full(shape, low, np.float32)
    else:
        assert kind == "values", kind
        value = np.asarray(item["values"]).reshape(shape)
        value = value.astype(np.int64 if value.dtype.kind in "iub" else np.float32)
    for row, length in enumerate(item.get("lengths") or ()):
        value[row, length:] = 0
    return value


def _generator(name: str, seed: int) -> np.random.Generator:
    crc = zlib.crc32(name.encode())
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc])))


def _weights(spec: Mapping[str, Any]) -> dict[str, np.ndarray]:
    kept, tied = set(spec.get("kept_keys", ())), spec.get("tied_keys", {})
    made = {}
    for key, about in spec["state_dict"].items():
        if key in kept:
            continue
        name = tied.get(key, key)
        value = made_tensor(name, tuple(about["shape"]), spec["seed"])
        value = (value * np.float32(spec.get("fill_scale", {}).get(name, 1.0))).astype(np.float32)
        made[key] = value.astype(np.int64) if about["dtype"].startswith("int") else value
    return made


def _inputs(spec: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {item["name"]: made_input(item) for item in spec["inputs"]}


def _torch(arrays: Mapping[str, np.ndarray], dtype: torch.dtype) -> Tensors:
    tensors = {key: torch.from_numpy(np.ascontiguousarray(a)) for key, a in arrays.items()}
    return {k: t.to(dtype) if t.is_floating_point() else t for k, t in tensors.items()}


def _differences(
    output: str,
    part: np.ndarray,
    stored: Mapping[str, Any],
    precision: str,
    rtol: float,
    rounding: float,
) -> list[str]:
    wanted = np.asarray(stored[precision])
    if wanted.dtype.kind in "iub":
        return [] if np.array_equal(part.reshape(-1), wanted) else [f"{output}: integers differ"]
    bound = stored["atol"][precision] + (rtol if precision == "float32" else 0.0) * np.abs(wanted)
    bound = bound + rounding * float(np.sqrt(np.mean(wanted**2)))
    difference = np.abs(part.astype(np.float64) - wanted)
    return [] if (difference <= bound).all() else [f"{output}: off by {difference.max():.3g}"]


def _check_fixture(spec: Spec, name: str, precision: str, values: dict[str, np.ndarray]) -> None:
    sys.path.insert(0, str(RULES))
    try:
        import weights
    finally:
        sys.path.remove(str(RULES))
    known = {key: value for key, value in values.items() if key in spec["outputs"]}
    problems = weights.compare(spec, np.load(FIXTURES / f"{name}.npz"), known, precision)
    assert problems == []


def cut(name: str, outputs: list[str]) -> Path:
    """Write a golden from the fixture of this name: these outputs, at most MOST numbers each."""
    spec = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    arrays = np.load(FIXTURES / f"{name}.npz")
    about = {key: spec[key] for key in ("seed", "weights_checksum", "inputs_checksum", "inputs")}
    for key in (
        "state_dict", "kept_keys", "tied_keys", "fill_scale", "gradient", "dead_keys", "constructor"
    ):  # fmt: skip
        about[key] = spec.get(key, {})
    if "rng_choices" in spec:
        about["rng_choices"] = spec["rng_choices"]
    about["gradient"].pop("l2_float32", None)
    about["options"], about["constructor"] = spec.get("options", {}), spec.get("constructor", {})
    about["rtol"] = spec["tolerance"]["rtol"]
    about["parameters"], about["dead_parameters"] = (
        spec["parameters"],
        spec.get("dead_parameters", 0),
    )
    about["origin"] = (
        f"Numbers of {spec['class_name']}, {spec['file']}, {spec['source']} commit "
        f"{spec['commit']} ({spec['licence']}), evaluation mode, torch "
        f"{spec['reference_environment']['torch']}, weights and inputs made by rule "
        "(tests/methods/parity.py). Numbers, key names and shapes only."
    )
    about["values"] = {key: _kept(spec, arrays, key) for key in outputs}
    GOLDENS.mkdir(parents=True, exist_ok=True)
    return _write(name, about)


def second(name: str, run: Run, changes: Mapping[str, str]) -> Path:
    """Put the second size into a golden: what `run` gives there, at most SECOND_MOST numbers each.

    `changes` are shapes of inputs ('audio': '[2, 7, 128]'), values of options, and sizes that stand
    for others in all shapes ('192': '128').
    """
    about = golden(name).spec
    about.pop("second", None)
    sizes = {int(key): int(value) for key, value in changes.items() if key.isdecimal()}
    inputs = []
    for item in about["inputs"]:
        shape = _resized(item["shape"], sizes)
        shape = json.loads(changes.get(item["name"], json.dumps(shape)))
        item = {**item, "shape": shape, "seed": item["seed"] + 1}
        if "lengths" in item:
            item["lengths"] = [min(n, shape[1]) for n in item["lengths"][: shape[0]]]
        inputs.append(item | _cut_values(item))
    names = {item["name"] for item in inputs} | {str(size) for size in sizes}
    options = {key: json.loads(value) for key, value in changes.items() if key not in names}
    shapes = {key: _resized(held["shape"], sizes) for key, held in about["state_dict"].items()}
    shapes = {k: s for k, s in shapes.items() if s != about["state_dict"][k]["shape"]}
    about["second"] = {"inputs": inputs, "options": options, "values": {}}
    about["second"] |= {"shapes": shapes} if shapes else {}
    other = golden(name).second
    assert other is not None
    about["second"]["values"] = {
        key: _thinned(value) for key, value in _run(run, other, "float64").items()
    }
    return _write(name, about)


def _resized(shape: list[int], sizes: Mapping[int, int]) -> list[int]:
    return [sizes.get(size, size) for size in shape]


def _cut_values(item: Mapping[str, Any]) -> dict[str, Any]:
    """Values of an input that is given by them, cut to a smaller shape."""
    if item["kind"] != "values":
        return {}
    values = np.asarray(item["values"])
    return {"values": values[tuple(slice(n) for n in item["shape"])].tolist()}


def _thinned(value: np.ndarray) -> dict[str, Any]:
    step = -(-value.size // SECOND_MOST)
    step += 1 - step % 2
    rms = float(np.sqrt(np.mean(np.asarray(value, np.float64) ** 2)))
    numbers = value.reshape(-1)[::step].tolist()
    return {"stride": step, "atol": {"float64": RELATIVE * max(rms, 1e-6)}, "float64": numbers}


def _write(name: str, about: Mapping[str, Any]) -> Path:
    path = GOLDENS / f"{name}.json"
    path.write_text(json.dumps(about, separators=(",", ":"), sort_keys=True) + "\n")
    return path


def _kept(spec: Mapping[str, Any], arrays: Mapping[str, np.ndarray], key: str) -> dict[str, Any]:
    already = spec["outputs"][key].get("stride", 1)
    values = {"float32": arrays[key], "float64": arrays.get(f"{key}.f64", arrays[key])}
    step = -(-values["float32"].size // MOST) if values["float32"].size > MOST else 1
    step += 1 - step % 2  # odd, so that rows and channels are all visited
    parts = {name: np.asarray(value).reshape(-1)[::step] for name, value in values.items()}
    rms = float(np.sqrt(np.mean(np.asarray(values["float64"], np.float64) ** 2)))
    limit = spec["tolerance"]["per_output"].get(key, {}).get("atol", 1e-5 * max(rms, 1e-3))
    return {
        "stride": already * step,
        "atol": {"float32": limit, "float64": 1e-9 * max(rms, 1e-6)},
        **{name: part.tolist() for name, part in parts.items()},
    }


if __name__ == "__main__":
    if sys.argv[1] == "--second":
        sys.path.insert(0, str(Path(__file__).parents[1]))
        module, _, place = sys.argv[3].partition(":")
        tests = importlib.import_module(module)
        found = tests.RUNS.get(place) or getattr(tests, place)
        changed = dict(re.split("[=:]", part, maxsplit=1) for part in sys.argv[4:])
        print(second(sys.argv[2], found if callable(found) else found[1], changed))
    else:
        print(cut(sys.argv[1], sys.argv[2:]))
