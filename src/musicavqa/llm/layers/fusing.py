"""BERT that answers while it attends to a clip: the decoder of VALOR and VAST.

The question is read in both directions and does not see the answer; a word of the answer sees the
question and the words before it. Answers are learned by filling in masked words, and given word by
word: a mask is appended, what stands for it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicavqa.llm.layers.clip_tensors import ClipTensors, Prompt
from musicavqa.llm.layers.speaking import NO_LABEL, word_loss
from musicavqa.llm.layers.towers import build

AT_ONCE = 32
"""Answers begun that are read in one pass."""


@dataclass(frozen=True)
class Marks:
    """Numbers of BERT's special words, and the first that is an ordinary one."""

    pad: int = 0
    start: int = 101
    end: int = 102
    mask: int = 103
    first_word: int = 106


class Stream(nn.Module):
    """Tokens of a tower (B, T, N, C) -> (B, T * N, D), marked by their time and their sense."""

    def __init__(self, width: int, out: int, times: int, normed: bool) -> None:
        super().__init__()
        self.project = nn.Linear(width, out)
        self.norm = nn.LayerNorm(out, eps=1e-12) if normed else nn.Identity()
        self.times = nn.Parameter(0.02 * torch.randn(1, times, out))
        self.sense = nn.Parameter(0.02 * torch.randn(1, 1, out))

    def forward(self, tokens: Tensor) -> Tensor:
        places = functional.interpolate(self.times.transpose(1, 2), tokens.shape[1])
        seen = self.norm(self.project(tokens)) + places.transpose(1, 2)[:, :, None]
        return seen.flatten(1, 2) + self.sense


class Fusing(nn.Module):
    """A model file inherits from it and gives, in `condition`, what BERT attends to."""

    mixes: tuple[str, ...] = ("AV",)
    """Senses with which the loss is taken, one term each."""
    chosen = 0.99
    """Share of the words of an answer that are to be filled in."""
    frozen: tuple[str, ...] = ()

    def __init__(self, sizes: Mapping[str, Any], marks: Marks, words: int) -> None:
        super().__init__()
        self.language = build(
            "bert", {**sizes, "is_decoder": True, "add_cross_attention": True, "use_cache": False}
        )
        self.marks, self.words = marks, words
        self.read: dict[str, int] = {}
        """Tokens by sense of the clips that were read last."""

    def condition(self, clips: ClipTensors) -> dict[str, Tensor]:
        """Tokens (B, M, D) of each sense that there is: 'pictures', 'sound'."""
        raise NotImplementedError

    def attended(self, clips: ClipTensors, mix: str = "AV") -> Tensor | None:
        """Tokens (B, M, D) of the senses of a mix, pictures first; None where there are none."""
        found = self.condition(clips)
        self.read = {name: x.shape[1] for name, x in found.items()}
        return _joined(found, mix)

    def loss(
        self, clips: ClipTensors, prompts: Sequence[Prompt], answers: Sequence[Sequence[int]]
    ) -> Tensor:
        """Mean over the mixes of senses of the cross-entropy of masked words of the answers."""
        found = self.condition(clips)
        ids, labels, allowed = self._masked(self._questions(prompts), answers)
        terms = []
        for mix in self.mixes:
            kept = _joined(found, mix)
            logits = self._read(ids, allowed, kept)
            terms.append(word_loss(logits, labels))
        return torch.stack(terms).mean()

    @torch.no_grad()
    def likelihoods(
        self, clips: ClipTensors, prompt: Prompt, answers: Sequence[Sequence[int]]
    ) -> Tensor:
        """Log-likelihood (N,) of each answer and its end: every word after those before it."""
        attended = self.attended(clips)
        whole = [[*answer, self.marks.end] for answer in answers]
        begun = sorted({tuple(a[:n]) for a in whole for n in range(len(a))}, key=len)
        after: dict[tuple[int, ...], Tensor] = {}
        question = self._questions([prompt])
        for at in range(0, len(begun), AT_ONCE):
            some = begun[at : at + AT_ONCE]
            after.update(zip(some, self._next(question, some, attended), strict=True))
        said = [[after[tuple(a[:n])][word] for n, word in enumerate(a)] for a in whole]
        return torch.stack([torch.stack(words).sum() for words in said])

    @torch.no_grad()
    def generate(self, clips: ClipTensors, prompt: Prompt, most: int) -> list[int]:
        """The likeliest word for the mask, again and again, without the end."""
        attended = self.attended(clips)
        question, words = self._questions([prompt]), list[int]()
        while len(words) < most:
            word = int(self._next(question, [tuple(words)], attended)[0].argmax())
            if word == self.marks.end:
                break
            words.append(word)
        return words

    def encode(self, texts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Texts read in both directions without a clip: (B, L, D), and where words are (B, L)."""
        m = self.marks
        ids = self._padded([[m.start, *text, m.end] for text in texts])
        real = ids != m.pad
        both = real[:, None, None].expand(-1, 1, ids.shape[1], -1)
        return self.language.bert(input_ids=ids, attention_mask=both).last_hidden_state, real

    def _next(
        self, question: Tensor, begun: Sequence[tuple[int, ...]], attended: Tensor | None
    ) -> Tensor:
        """Log-probabilities (n, V) of the word after each of the answers begun."""
        m = self.marks
        answer = self._padded([[m.start, *words, m.mask] for words in begun])
        ids = torch.cat([question.expand(len(begun), -1), answer], dim=1)
        kept = None if attended is None else attended.expand(len(begun), -1, -1)
        logits = self._read(ids, self._allowed(ids, question.shape[1]), kept)
        last = torch.tensor([question.shape[1] + 1 + len(words) for words in begun])
        return logits[torch.arange(len(begun)), last.to(logits.device)].log_softmax(-1)

    def _questions(self, prompts: Sequence[Prompt]) -> Tensor:
        """(B, words): questions between their marks, always padded to the same length."""
        m, rows = self.marks, []
        for prompt in prompts:
            row = [m.start, *prompt.before, *prompt.question, *prompt.after, m.end]
            if len(row) > self.words:
                raise ValueError(
                    f"A question of {len(row)} word pieces is longer than the {self.words} that "
                    "this model reads. Ask with the preset bare."
                )
            rows.append(row + [m.pad] * (self.words - len(row)))
        return torch.tensor(rows, device=self._device())

    def _masked(
        self, questions: Tensor, answers: Sequence[Sequence[int]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sequences with words masked, labels where they are, and who sees whom.

        Of the words chosen 80 % become a mask, 10 % another word, and 10 % stay.
        """
        m = self.marks
        answer = self._padded([[m.start, *words, m.end] for words in answers])
        draw = torch.rand(answer.shape, device=answer.device)
        chosen = (draw < self.chosen) & (answer != m.pad)
        chosen[:, 0] = False
        fate = torch.rand(answer.shape, device=answer.device)
        n_words = self.language.config.vocab_size
        other = torch.randint(m.first_word, n_words, answer.shape, device=answer.device)
        read = torch.where(chosen & (fate < 0.8), m.mask, answer)
        read = torch.where(chosen & (fate >= 0.8) & (fate < 0.9), other, read)
        ids = torch.cat([questions, read], dim=1)
        none = torch.full_like(questions, NO_LABEL)
        labels = torch.cat([none, torch.where(chosen, answer, NO_LABEL)], dim=1)
        return ids, labels, self._allowed(ids, questions.shape[1])

    def _allowed(self, ids: Tensor, n_question: int) -> Tensor:
        """(B, 1, L, L), True where a row's word sees a column's."""
        place = torch.arange(ids.shape[1], device=ids.device)
        seen = (place[None, :] < n_question) | (
            (place[:, None] >= n_question) & (place[None, :] <= place[:, None])
        )
        return (seen[None] & (ids != self.marks.pad)[:, None])[:, None]

    def _read(self, ids: Tensor, allowed: Tensor, attended: Tensor | None) -> Tensor:
        logits: Tensor = self.language(
            input_ids=ids, attention_mask=allowed, encoder_hidden_states=attended
        ).logits
        return logits

    def _padded(self, rows: Sequence[Sequence[int]]) -> Tensor:
        longest = max(map(len, rows))
        filled = [[*row, *[self.marks.pad] * (longest - len(row))] for row in rows]
        return torch.tensor(filled, device=self._device())

    def _device(self) -> torch.device:
        device: torch.device = self.language.get_input_embeddings().weight.device
        return device


def _joined(found: Mapping[str, Tensor], mix: str) -> Tensor | None:
    """Tokens of the senses of a mix, pictures first; None where there are none."""
    names = [("pictures", "V"), ("sound", "A")]
    kept = [found[name] for name, letter in names if letter in mix and name in found]
    return torch.cat(kept, dim=1) if kept else None
