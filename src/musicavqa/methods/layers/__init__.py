"""Parts that two or more methods share, one per file, and the two sizes all of them agree on."""

from musicavqa.answers import ANSWERS
from musicavqa.questions import vocabulary

N_ANSWERS = len(ANSWERS)
N_WORDS = len(vocabulary())
"""Size of our word vocabulary, '<pad>' and '<unk>' included."""
