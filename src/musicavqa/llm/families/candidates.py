"""The likelihood of every candidate after one prompt, which is read once.

The prompt goes through the network once. Behind it the candidates go through together, in one row:
tokens that candidates begin with in common stand there once, each token sees the prompt and those
before it in its own candidate, and takes the position behind them. Keys and values are not copied.
A candidate's score is the log-likelihood of its tokens and of the end mark behind them.

Networks that look back over a window only, or attend by kernels that take no mask, go on from
repeated keys and values instead, candidates of one length together.
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
) -> np.ndarray:
    """(N,) log-likelihoods of token sequences after the prompt `inputs`, or means per token."""
    forget_positions(model)
    accepts, name = inspect.signature(model.forward).parameters, _cache_name(model)
    last = {"logits_to_keep": 1} if "logits_to_keep" in accepts else {}
    told = model(**inputs, use_cache=True, **last)
    cache = getattr(told, name)
    first = told.logits[0, -1].float().log_softmax(-1)
    found = [float(first[tokens[0]]) for tokens in candidates]
    way = _in_one_row if _takes_masks(model, cache) else _in_many_rows
    for place, rest in enumerate(way(model, name, cache, candidates)):
        found[place] += rest
    lengths = np.array([len(tokens) for tokens in candidates])
    return np.array(found) / lengths if mean else np.array(found)


def _takes_masks(model: Any, cache: Any) -> bool:
    """Whether every layer looks back over everything and attends by a mask of any shape."""
    config = model.config.get_text_config(decoder=True)
    whole = all(not getattr(layer, "is_sliding", False) for layer in cache.layers)
    return whole and config._attn_implementation in ("eager", "sdpa")


def _in_one_row(
    model: Any, name: str, cache: Any, candidates: Sequence[Sequence[int]]
) -> list[float]:
    """Log-likelihood of all tokens but the first of each candidate; the cache is used up."""
    begins = sorted({tuple(item[:n]) for item in candidates for n in range(1, len(item))})
    if not begins:
        return [0.0] * len(candidates)
    row = {begin: place for place, begin in enumerate(begins)}
    weights = next(iter(model.parameters()))
    n_before, depths = cache.get_seq_length(), torch.tensor([len(begin) for begin in begins])
    mask = torch.full((len(begins), n_before + len(begins)), torch.finfo(weights.dtype).min)
    mask[:, :n_before] = 0
    for begin, place in row.items():
        mask[place, [n_before + row[begin[:n]] for n in range(1, len(begin) + 1)]] = 0
    positions = n_before + depths - 1 + _turned_back(model)
    told = model(
        input_ids=torch.tensor([[begin[-1] for begin in begins]]).to(weights.device),
        attention_mask=mask[None, None].to(weights),
        position_ids=positions[None].to(weights.device),
        use_cache=True,
        **{name: cache},
    )
    shares = told.logits[0].float().log_softmax(-1)
    steps = [(row[tuple(item[:n])], item[n]) for item in candidates for n in range(1, len(item))]
    places, tokens = torch.tensor(steps, device=shares.device).T
    each = iter(shares[places, tokens].tolist())
    return [sum(next(each) for _ in item[1:]) for item in candidates]


def _turned_back(model: Any) -> int:
    """By how much the next position differs from the number of tokens, as pictures share some."""
    for module in model.modules():
        if getattr(module, "rope_deltas", None) is not None:
            return int(module.rope_deltas.flatten()[0])
    return 0


def _in_many_rows(
    model: Any, name: str, cache: Any, candidates: Sequence[Sequence[int]]
) -> list[float]:
    """The same, each candidate in a row of its own; neither mask nor positions are passed."""
    found = [0.0] * len(candidates)
    step = max(1, MOST_BYTES // max(1, _bytes_of(cache)))
    for some in _of_one_length(candidates, step):
        repeated = copy.deepcopy(cache)
        repeated.batch_repeat_interleave(len(some))
        rests = _rest(model, name, repeated, [candidates[place] for place in some])
        for place, rest in zip(some, rests, strict=True):
            found[place] = rest
    return found


def _of_one_length(candidates: Sequence[Sequence[int]], most: int) -> list[list[int]]:
    """Places of candidates with more than one token, at most so many together and equally long."""
    by_length: dict[int, list[int]] = {}
    for place, tokens in enumerate(candidates):
        by_length.setdefault(len(tokens), []).append(place)
    return [
        places[start : start + most]
        for length, places in sorted(by_length.items())
        if length > 1
        for start in range(0, len(places), most)
    ]


def _rest(model: Any, name: str, cache: Any, some: Sequence[Sequence[int]]) -> list[float]:
    """Log-likelihood of all tokens but the first; the candidates are equally long."""
    device = next(iter(model.parameters())).device
    tokens = torch.tensor([list(item) for item in some])  # (N, tokens)
    told = model(input_ids=tokens[:, :-1].to(device), **{name: cache}, use_cache=True)
    shares = told.logits.float().log_softmax(-1).cpu().gather(-1, tokens[:, 1:, None])[..., 0]
    return [float(total) for total in shares.sum(-1)]


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
