"""The catalogue fits its schema, refuses what does not, and finds what cannot be right."""

import csv
import io
import json
import shutil
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicavqa.catalog import checks, load, views
from musicavqa.catalog.loader import HERE, CatalogueError
from musicavqa.catalog.schema import CELLS, GROUPS, RESULT_COLUMNS, Result
from musicavqa.methods.registry import list_methods, load_method

CATALOGUE = load()
NOT_COUNTED = {"Att-BLSTM", "HCAttn", "HME"}


@pytest.fixture
def folder(tmp_path):
    for name in ("methods.toml", "datasets.toml", "published_results.csv", "survey_polygons.csv"):
        shutil.copy(HERE / name, tmp_path)
    return tmp_path


def append(folder, **values):
    """One more row at the end of the results; returns its line."""
    row = dict.fromkeys(RESULT_COLUMNS, "")
    row |= {"benchmark": "music-avqa", "method": "AVST", "split": "overall", "kind": "own"}
    row |= {"avg": "50.0", "source": "a test", **values}
    path = folder / "published_results.csv"
    text = io.StringIO()
    csv.DictWriter(text, RESULT_COLUMNS, lineterminator="\n").writerow(row)
    path.write_text(path.read_text() + text.getvalue())
    return len(CATALOGUE.results) + 2


def published(method, source, benchmark="music-avqa", variant=""):
    [row] = [
        row
        for row in CATALOGUE.results
        if (row.method, row.benchmark, row.variant) == (method, benchmark, variant)
        and row.source.startswith(source)
    ]
    return row


def made(**scores):
    """A row as if published on the corrected test set."""
    return Result("music-avqa", "AVST", "", "overall", scores, 2, 9129, "supervised", "own",
                  False, "a test", (), "", 1)  # fmt: skip


def test_thirty_nine_methods_are_counted_and_three_more_are_named():
    scopes = {name: method.scope for name, method in CATALOGUE.methods.items()}
    assert sum(scope == "survey" for scope in scopes.values()) == 39
    assert {name for name, scope in scopes.items() if scope == "survey-text"} == NOT_COUNTED
    marked = [m for m in CATALOGUE.methods.values() if m.survey_spatial_temporal]
    filed_without = [m for m in CATALOGUE.methods.values() if m.survey_spatial_temporal is False]
    assert (len(marked), len(filed_without)) == (16, 26)


def test_every_method_file_that_names_published_scores_finds_them():
    for name in list_methods():
        card = load_method(name).card
        if card.official_scores:
            assert card.official_scores in CATALOGUE.methods, name


def test_who_reports_numbers_agrees_with_the_rows():
    with_rows = {row.method for row in CATALOGUE.results if row.kind != "figure"}
    for name, method in CATALOGUE.methods.items():
        if method.reports in ("none", "unread"):
            assert name not in with_rows
        elif name != "AVMoE":  # known from a bar of the survey only
            assert name in with_rows, name


def test_a_row_is_added_as_one_line(folder):
    line = append(folder, variant="mine")
    assert load(folder).results[-1].line == line


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"avg": "101"}, "avg is '101', expected a number from 0 to 100 or nothing"),
        ({"avg": "-3"}, "avg is '-3'"),
        ({"avg": "nan"}, "avg is 'nan'"),
        ({"avg": "about 70"}, "avg is 'about 70'"),
        ({"avg": ""}, "at least one score"),
        ({"method": "AVTS"}, "method 'AVTS' has no entry in methods.toml. Did you mean AVST"),
        ({"benchmark": "music"}, "benchmark 'music' has no entry in datasets.toml"),
        ({"source": ""}, "needs its source"),
        ({"kind": "mine"}, "kind is 'mine', allowed are 'own'"),
        ({"flags": "secundary"}, "unknown flag 'secundary'. Did you mean secondary"),
        ({"questions": "many"}, "questions is 'many'"),
        ({"anchor": "yes", "training": "supervised"}, "AVST has an anchor in line"),
    ],
)
def test_a_bad_row_is_one_line_that_names_file_and_line(folder, values, text):
    line = append(folder, variant="bad", **values)
    with pytest.raises(CatalogueError, match=f"published_results.csv line {line}: ") as raised:
        load(folder)
    assert text in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_same_row_twice_is_refused(folder):
    first = append(folder, variant="twice")
    append(folder, variant="twice", avg="51.0")
    with pytest.raises(CatalogueError, match=f"line {first + 1}: the same row as line {first}"):
        load(folder)


def test_an_unknown_column_is_refused(folder):
    path = folder / "published_results.csv"
    path.write_text(path.read_text().replace("a_count", "a_counting", 1))
    with pytest.raises(CatalogueError, match=r"line 1: unknown column 'a_counting'\. Did you"):
        load(folder)


def test_a_row_with_a_comma_too_many_is_refused(folder):
    path = folder / "published_results.csv"
    path.write_text(path.read_text() + "music-avqa,AVST,\n")
    with pytest.raises(CatalogueError, match=r"line \d+: 3 values for \d+ columns"):
        load(folder)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("year = 2022", 'year = "2022"', "'AVST': year is '2022', expected int"),
        ("year = 2022", "yaer = 2022", "'AVST': unknown field 'yaer'. Did you mean year"),
        ("year = 2022\n", "", "'AVST': year missing"),
        ("year = 2022", "year = 2022\nyear = 2023", "methods.toml: Cannot overwrite"),
    ],
)
def test_a_bad_method_is_one_line(folder, old, new, text):
    path = folder / "methods.toml"
    before, header, after = path.read_text().partition("[AVST]")
    path.write_text(before + header + after.replace(old, new, 1))
    with pytest.raises(CatalogueError) as raised:
        load(folder)
    assert text in str(raised.value)
    if "Cannot" not in text:
        line = before.count("\n") + 1
        assert f"methods.toml line {line}," in str(raised.value)


def test_cells_of_a_test_set_must_add_up(folder):
    path = folder / "datasets.toml"
    path.write_text(path.read_text().replace("a_count = 1017", "a_count = 1018", 1))
    with pytest.raises(CatalogueError, match=r"tests\.9129 add up to 9130"):
        load(folder)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=9, max_size=9))
def test_averages_made_from_their_cells_are_never_flagged(values):
    counts = CATALOGUE.datasets["music-avqa"].tests["9129"]
    cells = {name: round(value, 2) for name, value in zip(CELLS, values, strict=True)}
    means = {"avg": checks.micro(cells, counts)}
    for name, members in GROUPS.items():
        means[name] = checks.micro({cell: cells[cell] for cell in members}, counts)
    row = made(**cells, **{name: round(value, 2) for name, value in means.items()})
    assert checks.doubted_averages(CATALOGUE, row) == []
    off = replace(row, scores={**row.scores, "avg": row.scores["avg"] + 0.2})
    assert len(checks.doubted_averages(CATALOGUE, off)) == 1


def test_original_and_corrected_test_set_are_told_apart():
    old = published("AVST", "AVST paper, Table 2")
    assert checks.doubted_averages(CATALOGUE, old) == []
    wrong_set = replace(old, questions=933)
    assert checks.doubted_averages(CATALOGUE, wrong_set)


@pytest.mark.parametrize(
    ("method", "source", "text"),
    [
        ("LSTTA", "LSTTA paper, Table 1", "avg is printed 81.19, its cells give 80.61"),
        ("LSTTA", "LSTTA paper, Table 1", "unweighted mean of the groups"),
        ("GPT-4o", "MAVEN paper, Table III", "unweighted mean of the cells"),
        ("SaSR-Net", "debashis15", "av_avg is printed 74.66, its cells give 76.92"),
    ],
)
def test_known_averages_that_do_not_follow_are_flagged(method, source, text):
    found = checks.doubted_averages(CATALOGUE, published(method, source))
    assert any(text in line for line in found), found


def test_amuse_without_rhythm_prints_an_impossible_average():
    row = published("Amuse", "Amuse paper, Table 4", variant="without rhythm")
    [line] = [line for line in checks.doubted_averages(CATALOGUE, row) if line.startswith("av_avg")]
    assert "printed 84.08, its cells give 82.20" in line


def test_exchanged_columns_are_found_where_the_average_shows_them():
    counts = CATALOGUE.datasets["music-avqa"].tests["9129"]
    cells = dict.fromkeys(GROUPS["av_avg"], 70.0) | {"av_count": 80.0, "av_loc": 60.0}
    right = round(checks.micro(cells, counts), 2)
    fine = made(**cells, av_avg=right)
    turned = made(**cells | {"av_count": 60.0, "av_loc": 80.0}, av_avg=right)
    found = checks.swapped_columns(replace(CATALOGUE, results=(fine, turned)))
    assert [finding.row for finding in found] == [turned]
    assert "only the other way round do they fit" in found[0].text


def test_location_bars_of_the_survey_that_hold_counting_values_are_found():
    found = [f for f in checks.swapped_columns(CATALOGUE) if f.row.kind == "figure"]
    names = {finding.row.method for finding in found}
    as_read = {row.method for row in CATALOGUE.results if "swapped" in row.flags}
    assert {"FCNLSTM", "GPT-4o", "VAST", "LAVisH", "LSTTA"} <= names
    assert names == as_read  # what was read off by hand is what the code finds
    assert len(found) == 18  # 15 and LAVisH, LSTTA of paper.md section 7, and COCA


def test_copied_and_mistyped_bars_are_found():
    found = {(f.kind, f.row.method): f.text for f in checks.copies(CATALOGUE)}
    assert "numbers of AVST in AVST paper, Table 2" in found["copy", "VAST"]
    assert "v_count 87.41 is 87.14" in found["slip", "Amuse"]
    assert "av_comp 71.19 is 71.79" in found["slip", "PSTP-Net"]
    assert "stand for music-avqa" in found["benchmark", "LAST-Att"]


def test_conflicting_scores_of_one_method_are_listed():
    [lavish] = [f for f in checks.conflicts(CATALOGUE) if f.row.method == "LAVisH"
                and f.row.benchmark == "music-avqa"]  # fmt: skip
    assert lavish.text.startswith("5 overall scores within 6.04 points")


def test_head_and_tail_are_joined_to_check_the_whole():
    found = [f for f in checks.parts(CATALOGUE)]
    assert {f.row.name for f in found} == {"GRU", "MCCD (on GRU)"}


def test_a_doubted_row_is_never_the_best():
    rows = views.results(CATALOGUE, views.Filter(benchmark="music-avqa"))
    winners = {rows[number].method for number, _ in views.best(CATALOGUE, rows)}
    assert not winners & {"SaSR-Net", "Amuse", "LSTTA", "Qwen-MusicAVQA-7B", "MAVEN"}
    assert "QSTar" in winners


def test_what_was_not_scored_on_the_official_test_never_leads(command_line):
    for benchmark in CATALOGUE.datasets:
        rows = views.results(CATALOGUE, views.Filter(benchmark=benchmark, every_row=True))
        official = [views._on_official_test(row) for row in rows]
        assert official == sorted(official, reverse=True), benchmark
    code, out, _ = command_line("catalog", "results", "--benchmark", "music-avqa", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert float(rows[0]["avg"]) < 90
    claimed = next(place for place, row in enumerate(rows) if row["avg"] == "97.31")
    assert all("unofficial-split" not in row["flags"] for row in rows[:claimed])


def test_filters_of_the_command_line(command_line):
    code, out, _ = command_line("catalog", "methods", "--spatial-temporal", "--scope", "survey",
                                "--json")  # fmt: skip
    assert code == 0
    assert len(json.loads(out)) == 16
    code, out, _ = command_line("catalog", "methods", "--scope", "survey", "--csv")
    assert len(list(csv.reader(io.StringIO(out)))) == 40


def test_results_as_markdown_have_the_best_in_bold(command_line):
    code, out, err = command_line("catalog", "results", "--benchmark", "music-avqa", "--markdown")
    assert code == 0
    [qstar] = [line for line in out.splitlines() if "| QSTar |" in line]
    assert "**85.64**" in qstar
    assert f"of {len(CATALOGUE.results)} rows" in err


def test_an_unknown_name_gets_near_matches_and_exit_code_one(command_line):
    code, _, err = command_line("catalog", "results", "--method", "QATIGER")
    assert code == 1
    assert "no method 'QATIGER'. Did you mean QA-TIGER" in err
    assert err.count("\n") == 1


def test_two_formats_at_once_are_refused(command_line):
    code, _, err = command_line("catalog", "datasets", "--json", "--csv")
    assert (code, err.count("\n")) == (1, 1)


def test_the_aligned_table_is_plain_where_nobody_looks(command_line):
    code, out, _ = command_line("catalog", "datasets")
    assert code == 0
    assert "\033" not in out
    assert all(name in out for name in CATALOGUE.datasets)


def test_check_prints_one_line_per_finding(command_line):
    code, out, _ = command_line("catalog", "check")
    assert code == 0
    assert len(out.splitlines()) == len(checks.check(CATALOGUE))
