"""Evidence of bandleader: when and where those play whom the question means."""

import numpy as np
import pytest
import torch

from made_readings import CERTAIN, exact_reading, made_reading, seen_at
from musicavqa.answers import ANSWERS, index
from musicavqa.bandstand.asked import questions
from musicavqa.bandstand.meant import meant, seconds
from musicavqa.bandstand.scene import sample_scene
from musicavqa.methods.layers.grounds import CELLS, Put, grounds
from musicavqa.metrics.grounding import HALF
from musicavqa.questions import template
from musicavqa.records import Question
from musicavqa.rules.answerer import answer
from musicavqa.rules.tables import draw_tables

PAIR = [seen_at(0.15, banjo=1.0), seen_at(0.85, banjo=1.0)]
WHOLE = {"banjo": (1.0, [(0.0, 10.0)])}


def evidence(reading, number, slots, best, beliefs=None):
    """(time (T,), columns (7,)) of one question that is answered by `best`."""
    tables = draw_tables(reading, 50, np.random.default_rng(0), beliefs)
    found = [answer(table.facts, number, slots) for table in tables]
    said = np.array([-1 if text is None else index(text) for text in found])
    logits = torch.zeros(1, len(ANSWERS))
    logits[0, index(best)] = 1.0
    found = grounds([Put((number, slots), reading, tables, said)], logits, int(reading.duration_s))
    assert found["time"].sum().item() == pytest.approx(1, abs=1e-5)
    assert found["space"].sum().item() == pytest.approx(1, abs=1e-5)
    return found["time"][0].numpy(), found["space"][0].reshape(CELLS, CELLS).sum(0).numpy()


@pytest.mark.parametrize(("which", "column"), [("leftest", 1), ("rightest", 5)])
def test_of_equal_instruments_only_the_one_that_is_meant_is_lit(which, column):
    _, columns = evidence(made_reading(PAIR, heard=WHOLE), 12, (which,), "banjo")
    assert columns[:3].sum() == pytest.approx(float(column < 3), abs=0.02)


def test_an_answer_that_means_nobody_lights_everybody():
    reading = made_reading(PAIR, heard={"banjo": (1.0, [(2.0, 4.0)])})
    time, columns = evidence(reading, 3, ("tuba",), "no")
    assert columns[:3].sum() == pytest.approx(0.5, abs=0.02)
    assert time[2:4].sum() == pytest.approx(1, abs=0.01)


def test_silence_is_spread_evenly():
    time, _ = evidence(made_reading(), 3, ("tuba",), "no")
    assert time == pytest.approx(np.full(10, 0.1))


def asked_of(scene):
    for number, slots, truth in questions(scene):
        yield Question("k", "c", "", number, slots, template(number).cell, truth)


def test_where_all_is_known_evidence_points_at_what_is_meant():
    hits, inside = [], []
    for scene in (sample_scene("val", n) for n in range(30)):
        reading = exact_reading(scene)
        for question in asked_of(scene):
            about = meant(scene, question)
            asked = question.template, question.slots, question.answer
            time, columns = evidence(reading, *asked, CERTAIN)
            target = seconds(about, len(time))
            if about.intervals and (target >= HALF).any() and question.template != 16:
                hits.append(target[time.argmax()] >= HALF)
            if about.boxes:
                middle = (columns.argmax() + 0.5) / CELLS
                inside.append(any(a - 0.08 < middle < b + 0.08 for a, _, b, _ in about.boxes))
    assert len(hits) > 50
    assert len(inside) > 50
    assert np.mean(hits) > 0.97
    assert np.mean(inside) > 0.97
