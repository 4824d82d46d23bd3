"""Numbers of official implementations, small enough to live here, and how to compare with them.

A golden, goldens/parity/<name>.json, states its origin and holds key names, shapes and outputs. The
weights and inputs are made again from a seed and a name (`made_tensor`), never stored. The folder
../shared/parity holds the same and more; a golden is cut from it by

    python tests/methods/parity.py NAME OUTPUT [OUTPUT ...]

and `check` also compares with the whole fixture where that folder is there.
"""

from __future__ import annotations

import json
import math
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
FIXTURES = Path(__file__).parents[3] / "shared" / "parity"
DTYPES = {"float32": torch.float32, "float64": torch.float64}
MOST = 256
"""Numbers kept of one output."""
WAVES = 2.0**-21
"""Of the root mean square. The exp and sin of single precision differ between processors in their
last place, 2**-23 of the value; PSAC's outputs move by about 2**-23 of theirs when either does, so
this is both of them, twice. It is a twentieth of what single precision itself is held to."""

Tensors = dict[str, torch.Tensor]
Run = Callable[[Tensors, Tensors], tuple[Mapping[str, torch.Tensor], torch.nn.Module]]
"""(official weights, inputs), both in the precision wanted -> (outputs by official name, model)."""


@dataclass(frozen=True)
class Golden:
    """One reference run."""

    spec: dict[str, Any]

    def tensors(self, dtype: torch.dtype) -> tuple[Tensors, Tensors]:
        """Weights by official key and inputs by name, checked against the sums that were kept."""
        weights, inputs = self.made
        return _torch(weights, dtype), _torch(inputs, dtype)

    @cached_property
    def made(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The same as arrays; drawing many millions of numbers takes seconds."""
        weights, inputs = _weights(self.spec), _inputs(self.spec)
        for kind, arrays in (("weights", weights), ("inputs", inputs)):
            total = sum(float(np.abs(np.asarray(a, np.float64)).sum()) for a in arrays.values())
            kept = self.spec[f"{kind}_checksum"]["abs_sum"]
            assert math.isclose(total, kept, rel_tol=1e-9), f"numpy draws other {kind}"
        return weights, inputs


@lru_cache(maxsize=1)
def golden(name: str) -> Golden:
    """The golden goldens/parity/<name>.json."""
    return Golden(json.loads((GOLDENS / f"{name}.json").read_text(encoding="utf-8")))


def check(name: str, precision: str, run: Run, single: frozenset[str] = frozenset()) -> None:
    """Assert that `run` gives the golden's outputs, and the whole fixture's where that is here.

    Of the whole fixture those outputs are compared that `run` returns. `single` are outputs that
    stand on waves of single precision in the double run too: they are held to `WAVES` there.
    """
    dtype = DTYPES[precision]
    kept = golden(name)
    with torch.no_grad():
        found, _ = run(*kept.tensors(dtype))
    values = {key: np.asarray(value.detach()) for key, value in found.items()}
    missing = set(kept.spec["values"]) - set(values)
    assert not missing, f"{name}: no {sorted(missing)}"
    problems = []
    for output, stored in kept.spec["values"].items():
        part = values[output].reshape(-1)[:: stored["stride"]]
        rounding = WAVES if output in single and precision == "float64" else 0.0
        problems += _differences(output, part, stored, precision, kept.spec["rtol"], rounding)
    assert not problems, problems
    if (FIXTURES / f"{name}.json").exists():
        exact = {k: v for k, v in values.items() if precision == "float32" or k not in single}
        _check_fixture(name, precision, exact)


def check_gradients(name: str, run: Run, ours: Callable[[str], str | list[str]]) -> None:
    """Assert the L2 norms of the gradients (float64).

    `ours` names our parameter of a key, or all of them where we split what is one there.
    """
    kept = golden(name)
    found, model = run(*kept.tensors(torch.float64))
    gradient = kept.spec["gradient"]
    found[gradient["of"].removesuffix(".sum()")].sum().backward()
    parameters = dict(model.named_parameters())
    for key, wanted in gradient["l2"].items():
        here = ours(key)
        grads = [parameters[n].grad for n in ([here] if isinstance(here, str) else here)]
        assert all(grad is not None for grad in grads), key
        found_norm = math.hypot(*(float(grad.norm()) for grad in grads))
        assert math.isclose(found_norm, wanted, rel_tol=1e-6, abs_tol=1e-12), key


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


def _check_fixture(name: str, precision: str, values: dict[str, np.ndarray]) -> None:
    sys.path.insert(0, str(FIXTURES))
    try:
        import weights
    finally:
        sys.path.remove(str(FIXTURES))
    spec = weights.load_fixture(FIXTURES / f"{name}.json")
    known = {key: value for key, value in values.items() if key in spec["outputs"]}
    problems = weights.compare(spec, np.load(FIXTURES / f"{name}.npz"), known, precision)
    assert problems == []


def cut(name: str, outputs: list[str]) -> Path:
    """Write a golden from the fixture of this name: these outputs, at most MOST numbers each."""
    spec = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    arrays = np.load(FIXTURES / f"{name}.npz")
    about = {key: spec[key] for key in ("seed", "weights_checksum", "inputs_checksum", "inputs")}
    for key in ("state_dict", "kept_keys", "tied_keys", "fill_scale", "gradient", "dead_keys"):
        about[key] = spec.get(key, {})
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
    print(cut(sys.argv[1], sys.argv[2:]))
