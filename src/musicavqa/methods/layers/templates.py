"""Which of the 33 templates a question is, read off its word indices."""

from __future__ import annotations

import torch
from torch import nn

from musicavqa.questions import SLOTS, TEMPLATES, tokenize, vocabulary


class TemplateReader(nn.Module):
    """words (B, W) -> index 0 to 32 of the template (B,), or -1 for any other question.

    `allowed[t, w, v]` says whether word v may stand at place w of template t; '<pad>' is the only
    word allowed behind its end. The table is no part of a checkpoint: it follows from questions.py.
    """

    allowed: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        index = {word: i for i, word in enumerate(vocabulary())}
        texts = [tokenize(item.text) for item in TEMPLATES]
        allowed = torch.zeros(len(texts), max(map(len, texts)), len(index), dtype=torch.bool)
        for row, words in zip(allowed, texts, strict=True):
            row[len(words) :, 0] = True
            for place, word in enumerate(words):
                values = SLOTS[word.strip("<>")] if word.startswith("<") else (word,)
                row[place, [index[value] for value in values]] = True
        self.register_buffer("allowed", allowed, persistent=False)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        n_places = self.allowed.shape[1]
        kept = nn.functional.pad(words[:, :n_places], (0, max(0, n_places - words.shape[1])))
        places = torch.arange(n_places, device=words.device)
        fits = self.allowed[:, places, kept].all(-1)  # (33, B)
        fits &= (words[:, n_places:] == 0).all(-1)
        return torch.where(fits.any(0), fits.int().argmax(0), -1)
