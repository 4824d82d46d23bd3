"""The template and slots of each question, read off its word indices."""

from __future__ import annotations

from torch import Tensor, nn

from musicavqa.methods.layers.templates import TemplateReader
from musicavqa.questions import TEMPLATES, tokenize, vocabulary

Asked = tuple[int, tuple[str, ...]]
"""(template number, its slots from left to right)"""


class QuestionReader(nn.Module):
    """words (B, W) -> (template, slots) of each question; None for another wording than ours."""

    def __init__(self) -> None:
        super().__init__()
        self.templates = TemplateReader()
        self.words = vocabulary()
        self.places = [
            [place for place, word in enumerate(tokenize(item.text)) if word.startswith("<")]
            for item in TEMPLATES
        ]

    def forward(self, words: Tensor) -> list[Asked | None]:
        found: list[Asked | None] = []
        for index, row in zip(self.templates(words).tolist(), words.tolist(), strict=True):
            slots = tuple(self.words[row[place]] for place in self.places[index])
            found.append(None if index < 0 else (index + 1, slots))
        return found
