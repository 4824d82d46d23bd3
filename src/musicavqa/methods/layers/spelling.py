"""How the words of our vocabulary are spelled, for methods that read letters."""

from __future__ import annotations

import torch

from musicavqa.questions import vocabulary

_WORDS = ["" if word.startswith("<") else word for word in vocabulary()]
_ALPHABET = sorted(set("".join(_WORDS)))
N_LETTERS = len(_ALPHABET) + 1
"""Letters of our vocabulary, and 0 for none."""

LETTERS_PER_WORD = max(map(len, _WORDS))


def spelling() -> torch.Tensor:
    """Letters (words, LETTERS_PER_WORD) of our words; '<pad>' and '<unk>' have none."""
    table = torch.zeros(len(_WORDS), LETTERS_PER_WORD, dtype=torch.long)
    for row, word in zip(table, _WORDS, strict=True):
        for place, letter in enumerate(word):
            row[place] = _ALPHABET.index(letter) + 1
    return table
