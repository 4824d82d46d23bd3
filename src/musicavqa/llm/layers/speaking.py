"""A causal language model that reads a clip as soft tokens between its words.

A model file inherits from `Speaking` and says in `media` what the soft tokens are. Learning,
weighing of answers and free answers are the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from musicavqa.llm.families.candidates import weigh
from musicavqa.llm.layers.clip_tensors import ClipTensors, Prompt
from musicavqa.llm.layers.towers import build

NO_LABEL = -100


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
        """Log-likelihood (N,) of each whole answer and its end, after one clip and prompt."""
        front = self.fronts(clips, [prompt])[0][None]
        whole = [[*answer, self.end] for answer in answers]
        return torch.from_numpy(weigh(self.language, {"inputs_embeds": front}, whole))

    @torch.no_grad()
    def generate(self, clips: ClipTensors, prompt: Prompt, most: int) -> list[int]:
        """The likeliest next word again and again, without the end; at most `most` words."""
        front = self.fronts(clips, [prompt])[0][None]
        words = self.language.generate(
            inputs_embeds=front, attention_mask=torch.ones_like(front[..., 0]).long(),
            max_new_tokens=most, do_sample=False, eos_token_id=self.end, pad_token_id=self.end,
        )[0].tolist()  # fmt: skip
        return words[: words.index(self.end)] if self.end in words else words

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


def word_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over all that has a label."""
    return functional.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=NO_LABEL
    )
