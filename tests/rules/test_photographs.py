"""The meaning of ImageNet's classes: each belongs to one group, each group means something."""

from collections import Counter

import numpy as np

from musicavqa.questions import INSTRUMENTS
from musicavqa.rules.photographs import INDOOR, MEANINGS, OUTDOOR, SOURCES, meaning_matrix


def test_no_class_belongs_to_two_things_or_to_two_places():
    counts = Counter(place for group in SOURCES.values() for place in group)
    assert max(counts.values()) == 1
    assert not set(INDOOR) & set(OUTDOOR)
    assert all(0 <= place < 1000 for place in (*counts, *INDOOR, *OUTDOOR))


def test_every_group_means_instruments_of_the_22_with_shares():
    assert set(MEANINGS) == set(SOURCES)
    assert {name for shares in MEANINGS.values() for name in shares} <= set(INSTRUMENTS)
    matrix = meaning_matrix()
    np.testing.assert_allclose(matrix.sum(1), 1)
    assert matrix.min() >= 0
