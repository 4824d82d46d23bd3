"""How likely the choices of a table are, so that answers alone can teach what was drawn from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from musicavqa.methods.layers.judging import Judged
from musicavqa.rules.tables import Table


def log_likelihood(judged: Judged, tables: Sequence[Table]) -> Tensor:
    """(n,) log-probability of each table's choices under the judgement, up to a constant.

    Left out is what has no parameters: thresholds and the spread of places, levels and rates; and
    the shift of hearing by sight, which weighs tables but is not learned.
    """
    chosen = [table.choices for table in tables]
    n_found, names = len(judged.found), judged.names
    there = torch.zeros(len(tables), n_found, device=names.device)
    sounds, with_sound, alone = (torch.zeros_like(there) for _ in range(3))
    named = torch.zeros(len(tables), n_found, names.shape[1], device=names.device)
    heard = torch.stack([torch.from_numpy(c.heard) for c in chosen]).to(names)
    for row, choices in enumerate(chosen):
        for index, name in zip(choices.there, choices.names, strict=True):
            there[row, index] = named[row, index, name] = 1.0
            several = choices.names.count(name) > 1
            with_sound[row, index] = float(several and bool(choices.heard[name]))
            alone[row, index] = float(not several)
            sounds[row, index] = float(index in choices.sounding)
    place = torch.tensor([[c.outdoor, c.voiceover] for c in chosen], device=names.device).to(names)
    spoken = torch.stack([judged.outdoor, judged.voiceover])
    return (
        _likely(judged.share, there).sum(1)
        + (named * names).sum((1, 2))
        + _likely(judged.heard, heard).sum(1)
        + (_likely(judged.sounds, sounds) * with_sound).sum(1)
        + (_likely(judged.playing.in_step, sounds) * alone).sum(1)
        + _likely(spoken, place).sum(1)
    )


def answers_likelier(likelihood: Tensor, weights: Tensor, right: Tensor) -> Tensor:
    """A loss whose gradient is that of -log P(answer), for one question.

    weights (n,) of the tables, right (n,) true where a table gives the answer; 0 where none does,
    or all do: nothing can be learned from it. (Score function, the tables' own mean as baseline.)
    """
    hit = weights * right
    if not hit.any() or bool(right.all()):
        return likelihood.sum() * 0.0
    pull = hit / hit.sum() - weights
    return -(pull * likelihood).sum()


def _likely(logits: Tensor, chosen: Tensor) -> Tensor:
    """Log-probability of yes (1) or no (0), elementwise; logits (X,) against chosen (n, X)."""
    expanded = logits.expand_as(chosen)
    return -F.binary_cross_entropy_with_logits(expanded, chosen, reduction="none")
