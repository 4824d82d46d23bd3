"""COCA's terms: guesses through a shortcut are punished, and who guesses most is punished most.

A reconstruction of collaborative causal regularisation (Lao et al., AAAI 2023), of which only the
abstract and a survey's summary were at hand; forms and weights below are ours. Answers can be
guessed through the question, through question and picture, or through question and sound. For each
shortcut the senses that are irrelevant to it are exchanged, and the answer is looked at again.

With shortcut b, the senses R_b outside of it, and K answers:

* counterfactual: R_b comes from another clip of the batch; an answer that is still confident is a
  guess. CF_b = KL(uniform || p_b), or -log(1 - p_b[answer]) with `counterfactual="unlikely"`.
* factual: R_b comes from another clip about which a question has the same answer; the answer should
  not change. F_b = KL(p || p_b+), p without gradient. One question per clip, where there is a pair.
* w_b = softmax over b of (1 - H(p_b) / log K) / temperature, without gradient.
* The terms are counterfactual_weight sum_b w_b CF_b and factual_weight sum_b w_b F_b.

A question about the sound alone (by its template) skips question + sound, which is no shortcut
there, and likewise for the picture. A batch of one clip has nobody to exchange with: no terms.
Cost: three more passes per step, and three small ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from musicavqa.methods.layers.templates import TemplateReader
from musicavqa.questions import TEMPLATES
from musicavqa.records import SENSES, Batch, Output

EXCHANGED = (("audio", "visual"), ("audio",), ("visual",))
"""R_b of the shortcuts question, question + picture, question + sound."""

Answerer = Callable[[Batch], Output]


@dataclass(frozen=True)
class Terms:
    counterfactual_weight: float = 0.1
    """Of the terms that punish guesses."""
    factual_weight: float = 0.1
    """Of the terms that keep an answer where irrelevant senses change."""
    temperature: float = 1.0
    """Of the weights of the shortcuts."""
    counterfactual: Literal["uniform", "unlikely"] = "uniform"
    """A guess should be uniform over the answers, or not be the right one."""


class CausalRegularization(nn.Module):
    """The terms for any answerer; it has no weights, only a table of templates."""

    def __init__(self, options: Terms) -> None:
        super().__init__()
        self.options = options
        self.read = TemplateReader()

    def losses(self, answer: Answerer, batch: Batch, output: Output) -> dict[str, torch.Tensor]:
        """Scalars to minimise, already weighted; `output` is what `answer` says to `batch`."""
        options, n_clips = self.options, len(batch.seconds)
        if n_clips < 2 or not (options.counterfactual_weight or options.factual_weight):
            return {}
        donor = _take_clips(batch, _others(n_clips, batch.clip_of.device))
        guesses = _logits(answer, batch, donor)  # (B, 3, A)
        weights = self.weights(guesses, batch.words)
        apart = (weights * self._counterfactual(guesses, batch.answers)).sum(1).mean()
        losses = {"counterfactual": options.counterfactual_weight * apart}
        rows, partners = _same_answer(batch)
        if options.factual_weight and len(rows):
            asked, donor = _take_questions(batch, rows), _take_questions(batch, partners)
            again = _logits(answer, asked, donor).log_softmax(-1)
            same = output.logits[rows].detach().log_softmax(-1)[:, None]
            terms = (same.exp() * (same - again)).sum(-1)  # (N, 3)
            losses["factual"] = options.factual_weight * (weights[rows] * terms).sum(1).mean()
        return losses

    def weights(self, guesses: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """How much each shortcut (B, 3) is attended to; rows sum to one and carry no gradient."""
        chances = guesses.detach().log_softmax(-1)
        entropy = -(chances.exp() * chances).sum(-1) / math.log(guesses.shape[-1])
        score = (1 - entropy) / self.options.temperature
        return score.masked_fill(~self.is_shortcut(words), -torch.inf).softmax(1)

    def is_shortcut(self, words: torch.Tensor) -> torch.Tensor:
        """Mask (B, 3): which shortcuts leave out a sense that the question is about."""
        template = self.read(words)
        needs_no_sight = template.new_tensor([item.cell.startswith("A-") for item in TEMPLATES])
        needs_no_sound = template.new_tensor([item.cell.startswith("V-") for item in TEMPLATES])
        unread = template < 0
        by_picture = (needs_no_sound[template] == 0) | unread
        by_sound = (needs_no_sight[template] == 0) | unread
        return torch.stack([torch.ones_like(unread), by_picture, by_sound], dim=1)

    def _counterfactual(self, guesses: torch.Tensor, answers: torch.Tensor | None) -> torch.Tensor:
        """CF_b of each question (B, 3)."""
        chances = guesses.log_softmax(-1)
        if self.options.counterfactual == "uniform":
            return -math.log(guesses.shape[-1]) - chances.mean(-1)
        assert answers is not None  # the loop refuses batches without
        known = answers.clamp(min=0)[:, None, None].expand(-1, guesses.shape[1], 1)
        unlikely = torch.log1p(-chances.exp().gather(-1, known)[..., 0].clamp(max=1 - 1e-6))
        return -unlikely * (answers >= 0)[:, None]


def _logits(answer: Answerer, batch: Batch, donor: Batch) -> torch.Tensor:
    """Logits (B, 3, A) with the senses outside of each shortcut taken from `donor`."""
    return torch.stack([answer(_exchange(batch, donor, s)).logits for s in EXCHANGED], dim=1)


def _exchange(batch: Batch, donor: Batch, senses: tuple[str, ...]) -> Batch:
    """The batch with these senses of the donor's clips, for the seconds that both clips have."""
    prefixes = tuple(prefix for sense in senses for prefix in SENSES[sense])
    streams = {
        name: donor.streams[name] if name.startswith(prefixes) else rows
        for name, rows in batch.streams.items()
    }
    seconds = batch.seconds & donor.seconds
    return replace(batch, streams=streams, seconds=seconds, negatives={}, truth={})


def _others(n_clips: int, device: torch.device) -> torch.Tensor:
    """For each clip (C,) another one: its neighbour in a random circle."""
    circle = torch.randperm(n_clips, device=device)
    others = torch.empty_like(circle)
    others[circle] = circle.roll(1)
    return others


def _same_answer(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """At most one question per clip (N,), and one about another clip that has the same answer."""
    answers, clips = batch.answers, batch.clip_of
    assert answers is not None  # the loop refuses batches without
    pairs = (answers[:, None] == answers) & (clips[:, None] != clips) & (answers >= 0)
    draw = torch.rand(pairs.shape, device=clips.device).masked_fill(~pairs, -1.0)
    luck = torch.rand(len(clips), device=clips.device).masked_fill(~pairs.any(1), -1.0)
    best = luck.new_full((len(batch.seconds),), -1.0).scatter_reduce(0, clips, luck, "amax")
    rows = ((luck >= 0) & (luck == best[clips])).nonzero()[:, 0]
    return rows, draw.argmax(1)[rows]


def _take_clips(batch: Batch, clips: torch.Tensor) -> Batch:
    """The batch with other clips (C,) under the same questions."""
    streams = {name: rows[clips] for name, rows in batch.streams.items()}
    return replace(batch, streams=streams, seconds=batch.seconds[clips])


def _take_questions(batch: Batch, rows: torch.Tensor) -> Batch:
    """These questions (N,), each with a clip of its own."""
    chosen = _take_clips(batch, batch.clip_of[rows])
    return replace(
        chosen,
        keys=[batch.keys[row] for row in rows.tolist()],
        clip_of=torch.arange(len(rows), device=rows.device),
        words=batch.words[rows],
        texts={name: text[rows] for name, text in batch.texts.items()},
        answers=None if batch.answers is None else batch.answers[rows],
    )
