"""The 39 systems of the survey on the page of all methods."""

from pathlib import Path

from musicavqa.methods.registry import list_methods, list_plugins, load_method
from musicavqa.methods.systems import PLUGINS, systems, table


def test_all_39_have_a_row_on_the_page():
    page = (Path(__file__).parents[2] / "docs" / "methods" / "README.md").read_text()
    rows = [line for line in table().splitlines()[2:] if line.startswith("| ")]
    assert len(rows) == len(systems()) == 39
    assert all(row in page for row in rows)


def test_every_system_that_is_no_language_model_is_built():
    assert [s.name for s in systems() if not s.language_model and not s.is_built] == []
    assert sum(system.language_model for system in systems()) == 12


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
