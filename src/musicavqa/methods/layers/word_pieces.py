"""Questions as BERT reads them: our word numbers -> its word pieces, between [CLS] and '? [SEP]'.

Devlin et al., BERT (NAACL 2019), bert-base-uncased: words without capitals, parted at punctuation,
then into the longest pieces of its list from left to right. A network that was trained on pieces
keeps its own table; which pieces our words have is part of the converted weights. Word numbers do
not say how a question ends: the full-width mark of one template is read as '?' too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from musicavqa.methods.layers import N_WORDS
from musicavqa.questions import vocabulary

PADDING, UNKNOWN = "[PAD]", "[UNK]"
MARKS = ("[CLS]", "?", "[SEP]")
"""Before and behind every question."""
_PARTS = re.compile(r"[^\W_]+|\S")


class WordPieces(nn.Module):
    """words (B, W) -> pieces (B, N) and which of them are there (B, N); 0 is padding in both.

    A word has at most `most` pieces. With `longest`, questions of more pieces, marks included, are
    cut and end with [SEP] all the same. The tables are buffers: zeros, until weights are loaded.
    """

    table: Tensor
    marks: Tensor

    def __init__(self, most: int, longest: int = 0) -> None:
        super().__init__()
        self.longest = longest
        self.register_buffer("table", torch.zeros(N_WORDS, most, dtype=torch.long))
        self.register_buffer("marks", torch.zeros(len(MARKS), dtype=torch.long))

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        first, *last = (mark.expand(len(words), 1) for mark in self.marks)
        pieces = torch.cat([first, self.table[words].flatten(1), *last], dim=1)
        order = (pieces == 0).to(torch.uint8).argsort(dim=1, stable=True)  # what is there first
        pieces = pieces.gather(1, order)
        if self.longest and pieces.shape[1] > self.longest:
            too_long = pieces[:, self.longest, None] != 0
            kept, end = pieces[:, : self.longest].split([self.longest - 1, 1], dim=1)
            pieces = torch.cat([kept, torch.where(too_long, self.marks[-1], end)], dim=1)
        there = pieces != 0
        if not torch.compiler.is_compiling():  # a graph must not depend on how long questions are
            longest = int(there.sum(1).max())
            pieces, there = pieces[:, :longest], there[:, :longest]
        return pieces, there


def is_piece_list(words: Sequence[str]) -> bool:
    """Whether this is BERT's list, which begins with its padding."""
    return tuple(words[:1]) == (PADDING,)


def piece_tables(words: Sequence[str]) -> dict[str, Tensor]:
    """The buffers of `WordPieces` for BERT's list; ValueError where a mark is missing."""
    known = {word: number for number, word in enumerate(words)}
    if lost := [mark for mark in (*MARKS, UNKNOWN) if mark not in known]:
        raise ValueError(f"This is not BERT's word list: it lacks {', '.join(lost)}.")
    rows = [_pieces(word, known) for word in vocabulary()]
    table = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for target, row in zip(table, rows, strict=True):
        target[: len(row)] = torch.tensor(row)
    return {"table": table, "marks": torch.tensor([known[mark] for mark in MARKS])}


def _pieces(word: str, known: dict[str, int]) -> list[int]:
    """Numbers of the pieces of one of our words; none for '<pad>'."""
    if word.startswith("<"):
        return [] if word == "<pad>" else [known[UNKNOWN]]
    return [piece for part in _PARTS.findall(word.lower()) for piece in _parted(part, known)]


def _parted(part: str, known: dict[str, int]) -> list[int]:
    """The longest piece that begins a part, then the longest that goes on, to its end."""
    found: list[int] = []
    start = 0
    while start < len(part):
        ahead = "##" if start else ""
        ends = range(len(part), start, -1)
        end = next((end for end in ends if ahead + part[start:end] in known), None)
        if end is None:
            return [known[UNKNOWN]]
        found.append(known[ahead + part[start:end]])
        start = end
    return found
