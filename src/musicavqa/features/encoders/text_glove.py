"""GloVe word vectors (Pennington et al. 2014): 32 rows of 300 numbers, zeros behind the last word.

Reads the plain text format (a word and its numbers in each line; word2vec's first line with two
counts is passed over) once and keeps it beside the file as safetensors. Words are lower-case runs
of letters, digits and inner apostrophes. An unknown word is a row of zeros and is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.weights import weight_file
from musicavqa.files import replacing

N_WORDS = 32
WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")

SPEC = Spec(
    name="text_glove",
    stream="text_glove",
    shape=(N_WORDS, 300),
    rate_hz=0.0,
    dtype="float32",
    weights=("glove",),
    licence="PDDL 1.0",
)


def load() -> GloVe:
    """The table."""
    path = weight_file("glove")
    words, vectors = read_table(path)
    if vectors.shape[1] != SPEC.shape[1]:
        raise WeightError(
            f"{path.name} has {vectors.shape[1]} numbers a word, not {SPEC.shape[1]}."
        )
    return GloVe(words, vectors)


class GloVe:
    """Words, their vectors (words, 300), and how often each unknown word was met."""

    spec = SPEC

    def __init__(self, words: Sequence[str], vectors: np.ndarray) -> None:
        self.places = {word: place for place, word in enumerate(words)}
        self.vectors = vectors
        self.unknown: Counter[str] = Counter()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 32, 300) float32; a question of more words is cut."""
        rows = np.zeros((len(texts), N_WORDS, self.vectors.shape[1]), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for place, word in enumerate(WORD.findall(text.lower())[:N_WORDS]):
                if word in self.places:
                    row[place] = self.vectors[self.places[word]]
                else:
                    self.unknown[word] += 1
        return rows


def read_table(path: Path) -> tuple[list[str], np.ndarray]:
    """Words and vectors (words, D) float32 of a text file, or of its copy when that is newer."""
    from safetensors.numpy import load_file, save_file

    copy = path.with_suffix(".safetensors")
    if copy.is_file() and copy.stat().st_mtime_ns >= path.stat().st_mtime_ns:
        kept = load_file(copy)
        return kept["words"].tobytes().decode().split("\n"), kept["vectors"]
    words, vectors = _read_text(path)
    letters = np.frombuffer("\n".join(words).encode(), np.uint8)
    with replacing(copy) as part:
        save_file({"words": letters, "vectors": vectors}, part)
    return words, vectors


def _read_text(path: Path) -> tuple[list[str], np.ndarray]:
    words, rows, width = [], [], 0
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            word, *numbers = line.rstrip().split(" ")
            if number == 1 and len(numbers) == 1:
                continue  # word2vec's counts
            width = width or len(numbers)
            if len(numbers) != width:  # a few published words hold blanks themselves
                word, numbers = " ".join([word, *numbers[:-width]]), numbers[-width:]
            try:
                rows.append(np.array(numbers, np.float32))
            except ValueError as error:
                raise WeightError(
                    f"{path.name}, line {number} is no word vector: {error}."
                ) from error
            if len(rows[-1]) != width:
                raise WeightError(
                    f"{path.name}, line {number} has {len(numbers)} numbers, not {width}."
                )
            words.append(word)
    if not rows or not width:
        raise WeightError(f"{path.name} holds no word vectors.")
    return words, np.stack(rows)
