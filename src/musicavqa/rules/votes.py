"""Answers of many tables to one question: each table votes with its weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicavqa.answers import ANSWERS, index
from musicavqa.rules.answerer import answer
from musicavqa.rules.tables import Table


def votes(tables: Sequence[Table], template: int, slots: Sequence[str]) -> np.ndarray:
    """Weight of the tables for each of the 42 answers; a table that the rule declines has no vote.

    A question takes for granted that it can be answered, so tables in which it cannot are ruled
    out by its being asked. The sum, at most 1, says how far the reading allows the question at all.
    """
    found = np.zeros(len(ANSWERS))
    for table in tables:
        said = answer(table.facts, template, tuple(slots))
        if said is not None:
            found[index(said)] += table.weight
    return found
