"""docs/methods says what the method files say."""

import dataclasses
from pathlib import Path

import pytest

from musicavqa.methods.pages import REMAKE, main, on_record, page, pages
from musicavqa.methods.registry import list_methods, load_method

FOLDER = Path(__file__).parents[2] / "docs" / "methods"


@pytest.fixture(scope="module")
def made():
    return pages(list_methods(), on_record(FOLDER.parent))


@pytest.mark.parametrize("name", ["README", *list_methods()])
def test_a_page_is_what_its_method_file_says(name, made):
    path = FOLDER / f"{name}.md"
    kept = path.read_text(encoding="utf-8") if path.exists() else None
    assert kept == made[path.name], f"{path.name} is out of date; run: {REMAKE}"


def test_there_is_no_page_of_a_method_that_is_gone(made):
    assert {path.name for path in FOLDER.glob("*.md")} == set(made)


def test_pages_are_short(made):
    assert [name for name, text in made.items() if len(text.splitlines()) > 80] == []


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
            "avst": {
                "accuracy": {"overall": [38.14, 36.3, 39.9]},
                "minus_first": [-0.4, -2, 1, 1],
                "grounding": {"time": {"pointing": [61.25, 55, 50], "inside": [1, 2, 3]}},
            }
        },
    }
    text = page(load_method("avst"), found)
    assert "| overall | 38.1 | 36.3 to 39.9 |" in text
    assert "Minus template_prior: -0.4 (-2.0 to +1.0; p 1 after" in text
    assert "| time | 61.2 (chance 55.0, centre 50.0) | 1.0 (chance 2.0, centre 3.0) |" in text
    assert "On bandstand" not in page(load_method("gru"), found)


def test_pages_are_written_where_asked(tmp_path, capsys):
    main([str(tmp_path / "new")])
    assert str(tmp_path / "new") in capsys.readouterr().out
    assert len(list((tmp_path / "new").glob("*.md"))) == len(list_methods()) + 1


def test_whether_it_listens_is_said_as_it_was_measured():
    lost = {"mean": 12.345, "low": 8.0, "high": 16.0}
    claims = [
        {"name": "hears", "by": "swapped sound", "drop": lost, "shown": True, "why_not": ""},
        {"name": "sees", "by": "muted video", "drop": lost, "shown": False, "why_not": ""},
        {"name": "follows time", "by": "x", "drop": None, "shown": None, "why_not": "no stream"},
    ]
    methods = {"gru": {"seeds": 1, "claims": claims}}
    record = {"set": "bandstand/test", "questions": 1200, "clips": 30, "methods": methods}
    text = page(load_method("gru"), {"shortcuts": record})
    assert "On bandstand/test, 1,200 questions about 30 clips, 1 seed (" in text
    assert "| hears | **yes** | +12.3 | 8.0 to 16.0 | swapped sound |" in text
    assert "| sees | not shown | +12.3 | 8.0 to 16.0 | muted video |" in text
    assert "| follows time | not tried |  |  | no stream |" in text
    assert "Does it listen?" not in page(load_method("avst"), {"shortcuts": record})
