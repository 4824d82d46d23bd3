"""docs/methods says what the method files say."""

import dataclasses
import json
from pathlib import Path

import pytest

from musicavqa.methods.pages import REMAKE, main, page, pages
from musicavqa.methods.registry import list_methods, load_method

FOLDER = Path(__file__).parents[2] / "docs" / "methods"


def measured():
    path = FOLDER.parent / "zoo.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


@pytest.fixture(scope="module")
def made():
    return pages(list_methods(), measured())


@pytest.mark.parametrize("name", ["README", *list_methods()])
def test_a_page_is_what_its_method_file_says(name, made):
    path = FOLDER / f"{name}.md"
    kept = path.read_text(encoding="utf-8") if path.exists() else None
    assert kept == made[path.name], f"{path.name} is out of date; run: {REMAKE}"


def test_there_is_no_page_of_a_method_that_is_gone(made):
    assert {path.name for path in FOLDER.glob("*.md")} == set(made)


def test_pages_are_short(made):
    long = [name for name, text in made.items() if len(text.splitlines()) > 80]
    assert set(long) <= {"README.md"}  # it has a row for every method and every system


def test_a_page_states_the_parameters_that_the_method_file_states():
    assert "7,916,716" not in page(load_method("avst"), {})  # ours has '<unk>' besides
    assert "7,917,228" in page(load_method("avst"), {})
    assert "`visual_net.`" in page(load_method("avst"), {})


def test_a_page_follows_its_card():
    method = load_method("question_gru")
    card = dataclasses.replace(method.card, family="by heart", music_specific=True)
    changed = dataclasses.replace(method, module=type("Other", (), {**vars(method.module)}))
    changed.module.CARD = card
    assert "Family: by heart" in page(changed, {})
    assert "Marks of the survey: music-specific." in page(changed, {})
    assert "Marks of the survey" not in page(method, {})


def test_a_page_shows_what_was_measured():
    found = {
        "first": "template_prior",
        "questions": 2466,
        "seeds": 3,
        "budget": "1 pass",
        "methods": {
            "avst": {"accuracy": {"overall": [38.14, 36.3, 39.9]}, "minus_first": [-0.4, -2, 1, 1]}
        },
    }
    text = page(load_method("avst"), found)
    assert "| overall | 38.1 | 36.3 to 39.9 |" in text
    assert "Minus template_prior: -0.4 (-2.0 to +1.0; p 1 after" in text
    assert "On bandstand" not in page(load_method("gru"), found)


def test_pages_are_written_where_asked(tmp_path, capsys):
    main([str(tmp_path / "new")])
    assert str(tmp_path / "new") in capsys.readouterr().out
    assert len(list((tmp_path / "new").glob("*.md"))) == len(list_methods()) + 1
