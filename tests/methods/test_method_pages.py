"""docs/methods says what the method files say."""

import dataclasses
import json
from pathlib import Path

import pytest

from musicavqa.methods.measured import on_record
from musicavqa.methods.pages import REMAKE, main, page, pages
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
    long = [name for name, text in made.items() if len(text.splitlines()) > 100]
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


STUDY = {"first": "template_prior", "questions": 2466, "seeds": 3, "budget": "1 pass"}
FOUND = {"accuracy": {"overall": [38.14, 36.3, 39.9]}, "minus_first": [-0.4, -2, 1, 1]}


def test_a_page_shows_what_was_measured(tmp_path):
    (tmp_path / "zoo.json").write_text(json.dumps({**STUDY, "methods": {"avst": FOUND}}))
    text = page(load_method("avst"), on_record(tmp_path))
    assert "1 pass; 3 seeds, 2,466 questions." in text
    assert "| overall | 38.1 | 36.3 to 39.9 |" in text
    assert "Minus template_prior: -0.4 (-2.0 to +1.0; p 1 after" in text
    assert "On bandstand" not in page(load_method("gru"), on_record(tmp_path))


def test_of_several_studies_the_zoo_itself_stands_and_the_others_fill_its_gaps(tmp_path):
    longer = {**STUDY, "budget": "3 CPU minutes", "methods": {"avst": {**FOUND, "seeds": 1}}}
    (tmp_path / "zoo.json").write_text(json.dumps(longer))
    both = {"avst": FOUND, "gru": FOUND}
    (tmp_path / "zoo_one_pass.json").write_text(json.dumps({**STUDY, "methods": both}))
    found = on_record(tmp_path)
    assert "3 CPU minutes; 1 seed, 2,466" in page(load_method("avst"), found)
    assert "1 pass; 3 seeds, 2,466" in page(load_method("gru"), found)


def test_pages_are_written_where_asked(tmp_path, capsys):
    main([str(tmp_path / "new")])
    assert str(tmp_path / "new") in capsys.readouterr().out
    assert len(list((tmp_path / "new").glob("*.md"))) == len(list_methods()) + 1


LOST = {"mean": 12.345, "low": 8.0, "high": 16.0}
CLAIMS = [
    {"name": "hears", "by": "swapped sound", "drop": LOST, "shown": True, "why_not": ""},
    {"name": "sees", "by": "muted video", "drop": LOST, "shown": False, "why_not": ""},
    {"name": "follows time", "by": "x", "drop": None, "shown": None, "why_not": "no stream"},
]
MEASURE = {"value": {"mean": 61.25}, "chance": 55.0, "centre": 50.0}
GROUNDED = [
    {"method": "gru", "axis": "time", "n_questions": 1500, "measures": {
        "pointing": MEASURE, "inside": MEASURE, "overlap": MEASURE}},
    {"method": "gru", "axis": "place", "n_questions": 0, "measures": {}},
]  # fmt: skip


def record(seeds=1):
    methods = {"gru": {"seeds": seeds, "claims": CLAIMS}}
    return {"set": "bandstand/test", "questions": 1200, "clips": 30, "methods": methods}


def test_badge_and_evidence_are_said_as_they_were_measured(tmp_path):
    (tmp_path / "shortcuts.json").write_text(json.dumps(record()))
    (tmp_path / "grounding.json").write_text(json.dumps(GROUNDED))
    text = page(load_method("gru"), on_record(tmp_path))
    assert "On bandstand/test, 1,200 questions about 30 clips, 1 seed (" in text
    assert "| hears | **yes** | +12.3 | 8.0 to 16.0 | swapped sound |" in text
    assert "| sees | not shown | +12.3 | 8.0 to 16.0 | muted video |" in text
    assert "| follows time | not tried |  |  | no stream |" in text
    assert "| time | 1,500 | 61.2 (chance 55.0, centre 50.0) |" in text
    assert "| place |" not in text
    other = page(load_method("avst"), on_record(tmp_path))
    assert "Does it listen?" not in other
    assert "Does its evidence" not in other


def test_the_numbers_of_the_zoo_stand_before_others(tmp_path):
    (tmp_path / "shortcuts.json").write_text(json.dumps(record()))
    zoo = {"shortcuts": record(seeds=3), "methods": {}}
    (tmp_path / "zoo.json").write_text(json.dumps(zoo))
    assert "30 clips, 3 seeds (" in page(load_method("gru"), on_record(tmp_path))
