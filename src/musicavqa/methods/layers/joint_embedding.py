"""The joint embedding of VQA (Antol et al. 2015) for sound, picture and question."""

from __future__ import annotations

import torch
from torch import nn

from musicavqa.methods.layers import N_ANSWERS
from musicavqa.methods.layers.seconds import mean_of_seconds, picture_vectors
from musicavqa.records import Output


class JointEmbedding(nn.Module):
    """Audio (C, T, Da), pictures (C, T, Dv) or maps, question (B, D) -> Output.

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
    ) -> Output:
        heard = mean_of_seconds(self.audio(audio), valid)
        seen = mean_of_seconds(self.picture(picture_vectors(pictures)), valid)
        features = {"question": question, "audio": heard[rows], "visual": seen[rows]}
        return Output(self.answer_from(features), features=features)

    def answer_from(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits (B, A) read from question, audio and visual vectors (B, D)."""
        both = self.fusion(torch.tanh(torch.cat([features["audio"], features["visual"]], dim=-1)))
        return self.answer(self.dropout(torch.tanh(both * features["question"])))
