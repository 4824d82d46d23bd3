"""Questions that are equal are read once, and each gets what it would get alone."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from musicavqa.methods.layers.last_word_lstm import LastWordLSTM
from musicavqa.methods.layers.words import each_once

QUESTIONS = st.lists(st.sampled_from([(3, 1, 0), (3, 1, 2), (4, 0, 0), (0, 0, 0)]), min_size=1)


@given(QUESTIONS)
def test_equal_questions_are_read_once(questions):
    words, given_rows = torch.tensor(questions), []

    def read(rows):
        given_rows.append(rows)
        return rows * 2.0

    assert torch.equal(each_once(read, words), words * 2.0)
    (rows,) = given_rows
    assert sorted(map(tuple, rows.tolist())) == sorted(set(questions))


def test_what_is_learned_from_equal_questions_is_the_same():
    torch.manual_seed(0)
    reader = LastWordLSTM(10, 6, 4)
    words = torch.tensor([[5, 2, 1], [7, 3, 0], [5, 2, 1], [5, 2, 0], [7, 3, 0]])
    weights = torch.randn(5, 4)
    gradients = []
    for read in (reader, reader._read):  # once each, and all of them
        reader.zero_grad()
        (read(words) * weights).sum().backward()
        gradients.append([weight.grad.clone() for weight in reader.parameters()])
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
