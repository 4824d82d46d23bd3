"""A new row is checked as if it stood there already, and what it changes is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from musicavqa.catalog.adding import add_to_catalog
from musicavqa.catalog.bibtex import read_bibtex
from musicavqa.catalog.loader import HERE, CatalogueError, load, load_now

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text(encoding="utf-8")
EXAMPLE = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
BIB = """
@comment{x, y = {z}}
@inproceedings{newnet26,
  name = {NewNet}, title = {NewNet: {A} "Title"}, author = {A and B}, booktitle = "ACM {MM}",
  year = 2026, url = {https://example.org}, scope = {successor}, family = {transformer},
  family_from = {stated}, backbone = {transformer}, music_specific = {false},
  specialised_input = {true}, reports = {own}, benchmark = {music-avqa}, avg = {80.10},
  questions = {9129}, training = {supervised}, kind = {own}, source = {NewNet paper}
}
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="new.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_example_of_the_page_is_taken_and_placed(written):
    before = (HERE / "methods.toml").read_bytes(), (HERE / "published_results.csv").read_bytes()
    change = add_to_catalog(written(EXAMPLE))
    assert [method.name for method in change.methods] == ["NewNet"]
    (row,) = change.results
    assert (row.scores, row.decimals, row.anchor) == ({"avg": 80.1}, 2, True)
    rows = [r.scores["avg"] for r in load().anchors("music-avqa") if "avg" in r.scores]
    place = 1 + sum(value > 80.1 for value in rows)
    assert change.ranks == (
        f"NewNet: {place} of {len(rows) + 1} on music-avqa by overall accuracy",
    )
    assert change.findings == ()
    after = (HERE / "methods.toml").read_bytes(), (HERE / "published_results.csv").read_bytes()
    assert after == before


def test_what_is_printed_can_be_appended(written, tmp_path):
    change = add_to_catalog(written(EXAMPLE))
    for name in ("methods.toml", "datasets.toml", "published_results.csv", "survey_polygons.csv"):
        (tmp_path / name).write_bytes((HERE / name).read_bytes())
    for name, text in (("methods.toml", f"\n{change.toml}"), ("published_results.csv", change.csv)):
        with (tmp_path / name).open("a", encoding="utf-8", newline="") as file:
            file.write(text)
    assert load_now(tmp_path).results == change.after.results


def test_bibtex_says_the_same(written):
    change = add_to_catalog(written(BIB, "new.bib"))
    (method,) = change.methods
    assert (method.title, method.venue, method.year) == ('NewNet: A "Title"', "ACM MM", 2026)
    assert method.specialised_input
    assert change.results[0].scores == {"avg": 80.1}


def test_doubts_and_records_are_told(written):
    row = EXAMPLE.replace('avg = "80.10"', 'avg = "99.00"\na_count = 90\na_comp = 10\na_avg = 95')
    change = add_to_catalog(written(row))
    assert [finding.kind for finding in change.findings] == ["average"]
    assert change.records == ()  # what is doubted is never the best
    change = add_to_catalog(written(EXAMPLE.replace("80.10", "99.00")))
    assert change.records == ("NewNet: best comparable avg on music-avqa",)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("music-avqa", "music-avqua", "has no entry in datasets.toml. Did you mean music-avqa"),
        ('"80.10"', '"180"', "expected a number from 0 to 100"),
        ('"supervised"', '"lucky"', "training is 'lucky'"),
        ('kind = "own"', 'kind = "own"\nspeed = 3', "unknown column 'speed'"),
        ('venue = "ACM MM"', 'vanue = "ACM MM"', "unknown field 'vanue'. Did you mean venue"),
        ('source = "NewNet paper, Table 1"', "", "a row needs its source"),
        ("[method.NewNet]", "[method.AVST]", "twice"),
        ("[[result]]", "[results]", "unknown table 'results'"),
        ("avg =", "avg = = 1 #", "new.toml: "),
        ("questions = 9129", "questions = [1]", "questions is [1]"),
    ],
)
def test_what_does_not_fit_is_one_line(written, command_line, old, new, told):
    assert old in EXAMPLE
    code, out, err = command_line("catalog", "add", written(EXAMPLE.replace(old, new)))
    assert (code, out) == (1, "")
    assert told in err or (told == "twice" and "AVST" in err)
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_the_command_says_what_moves(written, command_line):
    code, _, err = command_line("catalog", "add", written(EXAMPLE), "--permutations", 9)
    assert code == 0
    assert re.search(r"effects of the audit that move: [1-9]", err)


def test_the_command_prints_what_to_append(written, command_line):
    code, out, err = command_line("catalog", "add", written(EXAMPLE), "--permutations", 0)
    assert code == 0
    assert "1 new methods, 1 new rows; the checks find 0 new doubts" in err
    assert out.startswith('# to append to methods.toml\n["NewNet"]\n')
    assert "music-avqa,NewNet,,overall," in out


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "no entry"), ("@a{k, x = {y", "no end"), ("@a{k, x = {y} oops", "line 1: expected"),
     ("@a{k, x={1}}\n@b{k, x={1}}", "twice")],
)  # fmt: skip
def test_broken_bibtex_is_named(text, told):
    with pytest.raises(CatalogueError, match=told):
        read_bibtex(text)
