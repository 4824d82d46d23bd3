"""A causal language model that reads a clip as soft tokens between its words.

A model file inherits from `Speaking` and says in `media` what the soft tokens are. Learning,
weighing of answers and free answers are the same for all.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from musicavqa.llm.layers.clip_tensors import ClipTensors, Prompt
from musicavqa.llm.layers.towers import build

NO_LABEL = -100
CACHE_TOKENS = 1 << 17
"""Tokens that the caches of all answers weighed at once may hold together."""


class Speaking(nn.Module):
    """See above; `order` is the order of everything in the sequence, words and soft tokens."""

    order: tuple[str, ...] = ("before", "pictures", "sound", "question", "after")
    frozen: tuple[str, ...] = ()
    """Parts that the authors did not train when they taught it to answer."""

    def __init__(self, kind: str, sizes: Mapping[str, Any], end: int) -> None:
        super().__init__()
        self.read: dict[str, int] = {}
        """Soft tokens by name of the clips that were read last."""
        self.language, self.end = build(kind, sizes), end
        self.width: int = self.language.get_input_embeddings().embedding_dim

    def media(self, clips: ClipTensors, questions: Sequence[Tensor]) -> dict[str, Tensor]:
        """Soft tokens (B, M, D) by name; `questions` are the embedded words (L, D) of each row."""
        raise NotImplementedError

    def loss(
        self, clips: ClipTensors, prompts: Sequence[Prompt], answers: Sequence[Sequence[int]]
    ) -> Tensor:
        """Mean cross-entropy of the words of the answers and of their end."""
        logits, labels = self.taught(clips, prompts, answers)
        return word_loss(logits, labels)

    def taught(
        self, clips: ClipTensors, prompts: Sequence[Prompt], answers: Sequence[Sequence[int]]
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, L, V) while the answers are read, and the word (B, L) that each foretells.

        The label is NO_LABEL everywhere but where a word of an answer comes next.
        """
        fronts = self.fronts(clips, prompts)
        rows, labels = [], []
        for front, answer in zip(fronts, answers, strict=True):
            target = torch.tensor([*answer, self.end], device=front.device)
            rows.append(torch.cat([front, self.embed(target[:-1])]))
            labels.append(functional.pad(target, (len(front) - 1, 0), value=NO_LABEL))
        real = pad_sequence([torch.ones(len(row), device=row.device) for row in rows], True)
        embedded = pad_sequence(rows, batch_first=True)
        logits = self.language(inputs_embeds=embedded, attention_mask=real.long()).logits
        return logits, pad_sequence(labels, batch_first=True, padding_value=NO_LABEL)

    @torch.no_grad()
    def likelihoods(
        self, clips: ClipTensors, prompt: Prompt, answers: Sequence[Sequence[int]]
    ) -> Tensor:
        """Log-likelihood (N,) of each whole answer and its end, after one clip and prompt.

        The prompt is read once; its cache is shared by all answers. Answers are padded behind, where
        causal attention makes padding harmless.
        """
        front = self.fronts(clips, [prompt])[0][None]
        cache = self._new_cache()
        first = self._step(front, cache)[0, -1].log_softmax(-1)
        at_once = max(1, CACHE_TOKENS // front.shape[1])
        parts = [
            self._weigh(first, copy.deepcopy(cache), answers[at : at + at_once])
            for at in range(0, len(answers), at_once)
        ]
        return torch.cat(parts)

    def _weigh(self, first: Tensor, cache: Any, answers: Sequence[Sequence[int]]) -> Tensor:
        whole = [torch.tensor([*answer, self.end], device=first.device) for answer in answers]
        words = pad_sequence(whole, batch_first=True, padding_value=self.end)
        real = pad_sequence([torch.ones_like(row) for row in whole], batch_first=True)
        found = first[words[:, :1]]
        if words.shape[1] > 1:
            cache.batch_repeat_interleave(len(words))
            rest = self._step(self.embed(words[:, :-1]), cache).log_softmax(-1)
            found = torch.cat([found, rest.gather(2, words[:, 1:, None])[..., 0]], dim=1)
        return (found * real).sum(1)

    @torch.no_grad()
    def generate(self, clips: ClipTensors, prompt: Prompt, most: int) -> list[int]:
        """The likeliest next word again and again, without the end; at most `most` words."""
        step, cache = self.fronts(clips, [prompt])[0][None], self._new_cache()
        words: list[int] = []
        while len(words) < most:
            word = int(self._step(step, cache)[0, -1].argmax())
            if word == self.end:
                break
            words.append(word)
            step = self.embed(torch.tensor([[word]], device=step.device))
        return words

    def fronts(self, clips: ClipTensors, prompts: Sequence[Prompt]) -> list[Tensor]:
        """Everything before the answer (L, D), embedded, for each row."""
        device = self.language.get_input_embeddings().weight.device
        words = [
            {
                name: self.embed(torch.tensor(ids, dtype=torch.long, device=device))
                for name, ids in vars(prompt).items()
            }
            for prompt in prompts
        ]
        media = self.media(clips, [row["question"] for row in words])
        self.read = {name: x.shape[1] for name, x in media.items()}
        return [
            torch.cat([
                row[name] if name in row else media[name][at]
                for name in self.order
                if name in row or name in media
            ])
            for at, row in enumerate(words)
        ]  # fmt: skip

    def embed(self, words: Tensor) -> Tensor:
        """Words as the language model reads them."""
        embedded: Tensor = self.language.get_input_embeddings()(words)
        return embedded

    def _new_cache(self) -> Any:
        from transformers import DynamicCache

        return DynamicCache(config=self.language.config)

    def _step(self, embedded: Tensor, cache: Any) -> Tensor:
        parameters = inspect.signature(self.language.forward).parameters
        name = "cache" if "cache" in parameters else "past_key_values"  # renamed within version 5
        logits: Tensor = self.language(
            inputs_embeds=embedded, use_cache=True, **{name: cache}
        ).logits
        return logits


def word_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over all that has a label."""
    return functional.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=NO_LABEL
    )
