"""The question encoder of QANet (Yu et al., ICLR 2018): letters, words, convolutions, attention."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from musicavqa.methods.layers.multi_head import MultiHead

N_CONVOLUTIONS = 4
N_STEPS = N_CONVOLUTIONS + 2
"""Four convolutions, self-attention, feed-forward."""


@dataclass(frozen=True)
class QuestionSizes:
    n_words: int
    n_letters: int
    word_width: int
    letter_width: int
    width: int
    """Width of the states."""
    n_heads: int
    dropout: float
    reads_padding: bool
    """Convolutions read the vectors of padded words, as in released code; else they are zero."""


class QuestionEncoder(nn.Module):
    """Words (B, W) and their spelling -> states (B, W, D), without recurrence.

    Letters are convolved and the strongest kept, joined with the word's vector and passed through
    two highway layers; then four convolutions over the words, self-attention and a feed-forward
    step, each normalised before and added after.
    """

    def __init__(self, sizes: QuestionSizes) -> None:
        super().__init__()
        width = sizes.width
        self.letter = nn.Embedding(sizes.n_letters, sizes.letter_width)
        self.word = nn.Embedding(sizes.n_words, sizes.word_width)
        self.letters_to_word = nn.Conv1d(sizes.letter_width, width, 5)
        self.join = nn.Linear(width + sizes.word_width, width, bias=False)
        self.change = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.gate = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.near = nn.ModuleList(
            nn.Conv1d(width, width, 7, padding=3, groups=width, bias=False)
            for _ in range(N_CONVOLUTIONS)
        )
        self.mix = nn.ModuleList(nn.Linear(width, width) for _ in range(N_CONVOLUTIONS))
        heads, drop = sizes.n_heads, sizes.dropout
        self.attend = MultiHead(width, heads, drop, bias=False, merge=False)
        self.feed = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(N_STEPS))
        self.dropout = nn.Dropout(drop)
        self.dropout_letters = nn.Dropout(drop / 10)
        self.reads_padding = sizes.reads_padding

    def spell(self, letters: torch.Tensor) -> torch.Tensor:
        """Letters (..., L) of words -> vectors (..., D)."""
        vectors = self.dropout_letters(self.letter(letters.flatten(0, -2))).transpose(1, 2)
        found = torch.relu(self.letters_to_word(vectors)).amax(-1)
        return found.unflatten(0, letters.shape[:-1])

    def forward(
        self, words: torch.Tensor, spelled: torch.Tensor, spoken: torch.Tensor
    ) -> torch.Tensor:
        state = self.join(torch.cat([spelled, self.dropout(self.word(words))], dim=-1))
        for change, gate in zip(self.change, self.gate, strict=True):
            share = torch.sigmoid(gate(state))
            state = share * self.dropout(change(state)) + (1 - share) * state
        places = torch.arange(words.shape[1], device=words.device)
        state = state + timing_signal(places, state.shape[-1]).to(state.dtype)
        for place in range(N_STEPS):
            normed = self.norms[place](state)
            normed = normed if place % 2 else self.dropout(normed)
            state = self._keep(state, self._step(place, normed, spoken), place)
        return state

    def _step(self, place: int, state: torch.Tensor, spoken: torch.Tensor) -> torch.Tensor:
        if place == N_STEPS - 1:
            return self.feed(state)
        if place == N_STEPS - 2:
            return self.attend(state, state, spoken)
        if not self.reads_padding:
            state = state * spoken[..., None]
        near = self.near[place](state.transpose(1, 2)).transpose(1, 2)
        return torch.relu(self.mix[place](near))

    def _keep(self, state: torch.Tensor, step: torch.Tensor, place: int) -> torch.Tensor:
        """Add a step; in training it is skipped the more often, the later it comes."""
        if not self.training:
            return state + step
        chance = self.dropout.p * (place + 1) / N_STEPS
        kept = torch.rand(len(state), 1, 1, device=state.device) >= chance
        return state + kept * self.dropout(step)


def timing_signal(places: torch.Tensor, width: int) -> torch.Tensor:
    """Places (N,) as waves (N, width): all sines, then all cosines, down to one ten-thousandth."""
    step = math.log(10000) / max(width // 2 - 1, 1)
    angles = places[:, None] * torch.exp(-step * torch.arange(width // 2, device=places.device))
    return torch.cat([angles.sin(), angles.cos()], dim=1)
