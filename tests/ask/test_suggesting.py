"""Suggested questions suit the reading, are understood as themselves, and miss no sense."""

from __future__ import annotations

from dataclasses import replace

import pytest

from made_readings import exact_reading
from musicavqa.ask.further_words import match_further
from musicavqa.ask.lanes import score_of
from musicavqa.ask.suggesting import BEYOND, CELLS, suggest
from musicavqa.bandstand.scene import sample_scene
from musicavqa.questions import parse, template


@pytest.mark.parametrize("index", range(12))
def test_each_is_understood_as_the_cell_it_stands_for(index):
    offered = suggest(score_of(exact_reading(sample_scene("val", index))))
    kinds = [kind for kind, _ in offered if kind != BEYOND]
    assert len(kinds) == len(set(kinds)) >= 6
    for kind, text in offered:
        if kind == BEYOND:
            assert match_further(text) is not None, text
        else:
            number, _ = parse(text)
            assert CELLS[template(number).cell] == kind


@pytest.mark.parametrize(("sense", "letter"), [("has_sound", "A"), ("has_picture", "V")])
def test_nothing_is_offered_to_a_sense_that_is_missing(sense, letter):
    reading = replace(exact_reading(sample_scene("val", 1)), **{sense: False})
    names = {name: cell for cell, name in CELLS.items()}
    cells = [names[kind] for kind, _ in suggest(score_of(reading)) if kind != BEYOND]
    assert cells
    assert not [cell for cell in cells if letter in cell.partition("-")[0]]
