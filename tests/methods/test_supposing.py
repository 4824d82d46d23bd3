"""What a question takes for granted is supposed where a reading hardly allows it."""

import numpy as np
import pytest
import torch

from made_readings import made_reading
from musicavqa.answers import ANSWERS
from musicavqa.methods.registry import load_method
from musicavqa.questions import INSTRUMENTS, fill
from musicavqa.rules.tables import draw_tables, supposing
from musicavqa.training.batches import encode_words

LOUDER = 4
WHOLE = [(0.0, 10.0)]


@pytest.fixture(scope="module")
def model():
    method = load_method("bandleader")
    return method.build(method.options({})).eval()


def reading(cello, **changed):
    """A violin is heard, 10 dB above a cello of which the ear is `cello` sure."""
    levels = np.zeros(len(INSTRUMENTS))
    levels[INSTRUMENTS.index("cello")] = -10.0
    heard = {"violin": (0.99, WHOLE), "cello": (cello, WHOLE)}
    return made_reading(heard=heard, level_db=levels, **changed)


def answered(model, heard, *slots):
    words = torch.from_numpy(encode_words([fill(LOUDER, slots)]))
    output = model.answer(heard, words)
    shares = output.logits.softmax(1)[0]
    return ANSWERS[int(shares.argmax())], float(shares.max()), float(output.evidence["applies"][0])


@pytest.mark.parametrize(
    ("slots", "answer"), [(("violin", "cello"), "yes"), (("cello", "violin"), "no")]
)
def test_two_that_are_compared_are_supposed_to_sound(model, slots, answer):
    said, confidence, applies = answered(model, reading(1e-5), *slots)
    assert said == answer
    assert confidence > 0.8
    assert applies < 0.1


def test_what_is_allowed_is_answered_without_supposing(model, monkeypatch):
    monkeypatch.setattr("musicavqa.methods.bandleader.supposing", None)
    said, _, applies = answered(model, reading(0.99), "violin", "cello")
    assert (said, applies > 0.5) == ("yes", True)


def test_without_sound_nothing_is_supposed(model):
    _, confidence, applies = answered(model, reading(1e-5, has_sound=False), "violin", "cello")
    assert (confidence < 0.8, applies) == (True, 0.0)


def test_the_reading_itself_stays_as_it_is():
    own = reading(1e-5)
    other = supposing(own, ["cello"])
    assert own.heard[INSTRUMENTS.index("cello")] == 1e-5
    tables = draw_tables(other, 50, np.random.default_rng(0))
    assert all(any(p.instrument == "cello" for p in t.facts.heard) for t in tables)
