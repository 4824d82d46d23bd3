"""The joint embedding of VQA (Antol et al. 2015) for sound, picture and question."""

from __future__ import annotations

import torch
from torch import nn

from musicavqa.layers import N_ANSWERS
from musicavqa.layers.seconds import mean_of_seconds, picture_vectors


class JointEmbedding(nn.Module):
    """Audio (C, T, Da), pictures (C, T, Dv) or maps, question (B, D) -> logits (B, A).

    Both senses are averaged over the seconds in `valid` (C, T) and joined; their vector is
    multiplied with that of the question, and the product is read as an answer. `rows` (B,) is the
    clip of each question.
    """

    def __init__(self, audio_width: int, visual_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.audio = nn.Sequential(
            nn.Linear(audio_width, width), nn.ReLU(), nn.Linear(width, width)
        )
        same = visual_width == width
        self.picture = nn.Identity() if same else nn.Linear(visual_width, width)
        self.fusion = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(
        self,
        audio: torch.Tensor,
        pictures: torch.Tensor,
        valid: torch.Tensor,
        question: torch.Tensor,
        rows: torch.Tensor,
    ) -> torch.Tensor:
        heard = mean_of_seconds(self.audio(audio), valid)
        seen = mean_of_seconds(self.picture(picture_vectors(pictures)), valid)
        performance = self.fusion(torch.tanh(torch.cat([heard, seen], dim=-1)))  # (C, D)
        return self.answer(self.dropout(torch.tanh(performance[rows] * question)))
