"""The likelihood of every candidate after one prompt, which is read once.

The prompt goes through the network once; its keys and values are then repeated for the
candidates, which go through together, padded on the right. Attention looks back only, so padding is
harmless and neither mask nor positions are passed: the network goes on from where the prompt ended.
A candidate's score is the log-likelihood of its tokens and of the end mark behind them.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

MOST_BYTES = 2 << 30
"""Of repeated keys and values at once; what needs more goes through in parts."""


@torch.inference_mode()
def weigh(
    model: Any,
    inputs: Mapping[str, Any],
    candidates: Sequence[Sequence[int]],
    mean: bool = False,
    most_bytes: int = MOST_BYTES,
) -> np.ndarray:
    """(N,) log-likelihoods of token sequences after the prompt `inputs`, or means per token."""
    forget_positions(model)
    told = model(**inputs, use_cache=True)
    name = _cache_name(model)
    cache = getattr(told, name)
    first = told.logits[0, -1].float().log_softmax(-1)
    found = [float(first[tokens[0]]) for tokens in candidates]
    longer = [place for place, tokens in enumerate(candidates) if len(tokens) > 1]
    step = max(1, most_bytes // max(1, _bytes_of(cache)))
    for start in range(0, len(longer), step):
        some = longer[start : start + step]
        is_last = start + step >= len(longer)
        repeated = cache if is_last else copy.deepcopy(cache)
        repeated.batch_repeat_interleave(len(some))
        for place, more in zip(
            some, _rest(model, name, repeated, [candidates[p] for p in some]), strict=True
        ):
            found[place] += more
    lengths = np.array([len(tokens) for tokens in candidates])
    return np.array(found) / lengths if mean else np.array(found)


def _rest(model: Any, name: str, cache: Any, some: Sequence[Sequence[int]]) -> list[float]:
    """Log-likelihood of all tokens but the first."""
    width = max(len(tokens) for tokens in some) - 1
    device = next(iter(model.parameters())).device
    given = torch.zeros(len(some), width, dtype=torch.long)
    wanted = torch.zeros(len(some), width, dtype=torch.long)
    there = torch.zeros(len(some), width, dtype=torch.bool)
    for row, tokens in enumerate(some):
        n = len(tokens) - 1
        given[row, :n], wanted[row, :n] = torch.tensor(tokens[:-1]), torch.tensor(tokens[1:])
        there[row, :n] = True
    logits = model(input_ids=given.to(device), **{name: cache}, use_cache=True).logits
    shares = logits.float().log_softmax(-1).cpu().gather(-1, wanted[..., None])[..., 0]
    return [float(total) for total in (shares * there).sum(-1)]


@torch.inference_mode()
def weigh_one_by_one(
    model: Any, inputs: Mapping[str, Any], candidates: Sequence[Sequence[int]]
) -> np.ndarray:
    """The same by the whole prompt with each candidate behind it: slow, and what `weigh` must give.

    Whatever has the length of the prompt is made longer by text.
    """
    found = []
    for tokens in candidates:
        forget_positions(model)
        longer = dict(inputs)
        behind = torch.tensor([list(tokens)])
        longer["input_ids"] = torch.cat([inputs["input_ids"].cpu(), behind], 1)
        longer["attention_mask"] = torch.ones_like(longer["input_ids"])
        if "mm_token_type_ids" in inputs:
            kinds = inputs["mm_token_type_ids"].cpu()
            longer["mm_token_type_ids"] = torch.cat([kinds, torch.zeros_like(behind).to(kinds)], 1)
        device = inputs["input_ids"].device
        moved = {k: v.to(device) if hasattr(v, "to") else v for k, v in longer.items()}
        shares = model(**moved).logits[0].float().log_softmax(-1)
        at = range(-len(tokens) - 1, -1)
        found.append(sum(float(shares[p, t]) for p, t in zip(at, tokens, strict=True)))
    return np.array(found)


def forget_positions(model: Any) -> None:
    """Drop what the network keeps of the last prompt: text alone would go on from its pictures."""
    for module in model.modules():
        if getattr(module, "rope_deltas", None) is not None:
            module.rope_deltas = None


def _cache_name(model: Any) -> str:
    """What this release of transformers calls keys and values."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def _bytes_of(cache: Any) -> int:
    tensors = [t for layer in cache.layers for t in (layer.keys, layer.values)]
    return sum(t.numel() * t.element_size() for t in tensors)
