"""Votes of tables: each with its weight, none where its rule declines."""

import numpy as np
import pytest

from musicavqa.answers import ANSWERS, index
from musicavqa.rules.facts import Facts, Player
from musicavqa.rules.tables import Choices, Table
from musicavqa.rules.votes import votes

NOTHING = Choices((), (), np.zeros(22, bool), frozenset(), False, False)


def table(weight, *instruments, voiceover=False):
    players = tuple(
        Player(name, visible=True, x=0.1 + 0.3 * place) for place, name in enumerate(instruments)
    )
    return Table(Facts(10.0, "indoor", voiceover, False, players), weight, NOTHING)


def test_each_table_votes_with_its_weight():
    found = votes([table(0.2, "violin"), table(0.3, "cello"), table(0.5, "violin")], 10, ["violin"])
    assert found.shape == (len(ANSWERS),)
    assert found[index("yes")] == pytest.approx(0.7)
    assert found[index("no")] == pytest.approx(0.3)


def test_a_table_whose_rule_declines_has_no_vote():
    tables = [table(0.6), table(0.4, "violin", "cello")]
    found = votes(tables, 12, ("leftest",))  # nobody stands leftmost where nobody is
    assert found[index("violin")] == pytest.approx(0.4)
    assert found.sum() == pytest.approx(0.4)


def test_no_table_gives_no_vote():
    assert votes([], 16, ()).sum() == 0
