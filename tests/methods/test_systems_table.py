"""The 39 systems of the survey on the page of all methods."""

from pathlib import Path

import pytest

from musicavqa.llm.models import card_of, list_models
from musicavqa.llm.models.card import TIERS
from musicavqa.methods.registry import list_methods, list_plugins, load_method
from musicavqa.methods.systems import PLUGINS, systems, table


def test_all_39_have_a_row_on_the_page():
    page = (Path(__file__).parents[2] / "docs" / "methods" / "README.md").read_text()
    rows = [line for line in table().splitlines()[2:] if line.startswith("| ")]
    assert len(rows) == len(systems()) == 39
    assert all(row in page for row in rows)


def test_every_system_is_built():
    assert [system.name for system in systems() if not system.is_built] == []


def test_every_language_model_is_listed_with_its_tier_and_is_no_method():
    rows = [system for system in systems() if system.language_model]
    assert len(rows) == 12
    assert all(row.is_built and row.opened.endswith(TIERS) for row in rows)
    for name in list_models():
        (row,) = [row for row in rows if row.name == card_of(name).system]
        assert row.opened == f"`{name}`: {card_of(name).tier}"
        assert name not in {*list_methods(), *list_plugins()}
        with pytest.raises(ValueError, match=rf"{name} is a language model \({card_of(name).tier}"):
            load_method(name)


def test_a_row_names_what_can_be_loaded_and_says_what_was_checked():
    for system in systems():
        assert set(system.methods) <= set(list_methods())
        assert set(system.plugins) <= set(list_plugins())
        assert bool(system.checked) == system.is_built
        assert system.is_built or system.missing
    assert set(PLUGINS) == set(list_plugins())


def test_a_method_that_was_made_for_another_task_says_what_is_missing():
    found = {name: s for s in systems() for name in s.methods}
    for name, system in found.items():
        if load_method(name).card.reference == "adapted" and system.name in ("CIGN", "DCL", "EEMC"):
            assert "a published number of MUSIC-AVQA" in system.missing
            assert "contribution" in system.checked


def test_nothing_is_said_to_be_checked_against_code_that_was_not():
    found = {system.name: system.checked for system in systems()}
    assert "its code" not in found["AVSiam"] + found["CrossMAE"] + found["Amuse"] + found["COCA"]
