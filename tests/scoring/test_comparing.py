"""`compare` and `robustness` from files to table, on a small world whose senses decide everything.

In each clip the sound alone decides the answers of audio questions and the picture alone those of
visual ones, so that what must happen under each disturbance is known.
"""

import dataclasses
import json

import pytest

from musicavqa.datasets import load_dataset
from musicavqa.files import write_json
from musicavqa.methods.registry import load_method
from musicavqa.records import Prediction
from musicavqa.scoring import comparing
from musicavqa.training import runs
from signs_world import make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def questions(world):
    return load_dataset("bandstand", world[0] / "data", "test")[1]


def given(questions, wrong, path):
    """A prediction file that is right but for the questions at these places."""
    other = {"yes": "no", "no": "yes"}
    rows = [
        Prediction(q.key, other[q.answer] if place in wrong else q.answer, confidence=0.8)
        for place, q in enumerate(questions)
    ]
    runs.append_predictions(path, rows)
    return path


def rows_of(report, name):
    return {row["group"]: row for row in report["stress"]["disturbed"][name]}


def test_each_sense_is_missed_where_it_decides(world, command_line):
    root, run = world
    code, out, err = command_line(
        "robustness", run, "--data", root / "data", "--features", root / "features", "--json",
        "--out", root / "pictures", "--method-file", root / "signs.py",
    )  # fmt: skip
    assert code == 0, err
    report = json.loads(out)
    assert report["stress"]["undisturbed"]["overall"]["mean"] == 100
    muted, swapped = rows_of(report, "muted audio"), rows_of(report, "swapped sound")
    assert muted["A"]["drop"]["mean"] == pytest.approx(50)
    assert muted["V"]["drop"]["mean"] == muted["V"]["flips"]["mean"] == 0
    assert rows_of(report, "muted video")["V"]["drop"]["mean"] == pytest.approx(50)
    assert 20 < swapped["A"]["drop"]["mean"] < 80
    assert swapped["A"]["drop"]["mean"] == swapped["A"]["flips"]["mean"]
    assert swapped["A"]["adjusted"] >= swapped["A"]["drop"]["p_value"]
    for name in ("shuffled time", "shuffled audio", "shuffled video"):
        assert rows_of(report, name)["overall"]["flips"]["mean"] == 0
    assert report["bias"]["head_minus_tail"]["mean"] == 0
    assert report["bias"]["prior_gap"]["mean"] == pytest.approx(50)
    pictures = sorted(path.name for path in (root / "pictures").iterdir())
    assert pictures == ["drops.png", "reliability.png", "risk-coverage.png"]


def test_the_same_disturbances_are_not_answered_twice(world, command_line):
    root, run = world
    arguments = ("robustness", run, "--data", root / "data", "--features", root / "features")
    arguments = (*arguments, "--method-file", root / "signs.py")
    assert command_line(*arguments)[0] == 0
    files = sorted((run / "robustness.test-s0").glob("*.jsonl"))
    assert len(files) == 9
    before = [path.read_bytes() for path in files]
    code, out, _ = command_line(*arguments)
    assert (code, [path.read_bytes() for path in files]) == (0, before)
    assert "muted audio" in out
    assert "Holm over 27 tests" in out


def answers_of(tmp_path, set_name, split, trained_on=None):
    """A prediction file; with `trained_on` that of a run folder."""
    rows = [Prediction(f"{set_name}/{split}/{i}", "yes") for i in range(2)]
    if trained_on is None:
        path = tmp_path / "lone.jsonl"
    else:
        write_json_folder(
            tmp_path / "run", {"method": "gru", "data": {"name": trained_on, "mute": []}}
        )
        named = split if set_name == trained_on else f"{set_name}.{split}"
        path = tmp_path / "run" / f"predictions.{named}.jsonl"
    runs.append_predictions(path, rows)
    return path


@pytest.mark.parametrize(
    ("set_name", "split", "trained_on"),
    [
        ("music_avqa", "test", None),
        ("music_avqa_v2", "test@bias", None),
        ("music_avqa", "test", "music_avqa"),
        ("music_avqa", "val", "music_avqa"),
        ("music_avqa_r", "test", "music_avqa"),
    ],
)
def test_set_and_split_are_known_from_a_run_folder_or_a_file(tmp_path, set_name, split, trained_on):
    path = answers_of(tmp_path, set_name, split, trained_on)
    assert runs.answered(path) == runs.Answered(path, set_name, split)
    if trained_on is not None:
        said = {"set_name": None if set_name == trained_on else set_name}
        said |= {"split": None if split == "test" else split}
        assert runs.answered(path.parent, **said) == runs.Answered(path, set_name, split)


def test_what_does_not_tell_its_set_is_asked_back(tmp_path):
    runs.write_predictions(tmp_path / "a.jsonl", [Prediction("17", "yes")])
    with pytest.raises(ValueError, match="does not tell what it answers"):
        runs.answered(tmp_path / "a.jsonl")
    asked = runs.answered(tmp_path / "a.jsonl", "bandstand", "test")
    assert asked.set_name == "bandstand"
    with pytest.raises(FileNotFoundError, match="no run folder"):
        runs.answered(tmp_path)


def test_every_verb_takes_a_run_folder_or_its_file(world, command_line):
    root, run = world
    stores = ("--data", root / "data", "--features", root / "features")
    own = ("--method-file", root / "signs.py")
    code, out, err = command_line("predict", run, *stores, *own)
    assert code == 0, err
    path = out.strip()
    scores = []
    for place in (run, path):
        code, out, err = command_line("evaluate", place, *stores[:2], "--json")
        assert code == 0, err
        scores.append(json.loads(out)["groups"])
        asked = ("robustness", place, *stores, "--question-only", run, *own)
        assert command_line(*asked)[0] == 0
    assert scores[0] == scores[1]


def test_a_file_alone_is_judged_without_a_model(world, questions, command_line, tmp_path):
    path = given(questions, {0, 1, 5}, tmp_path / "mine.jsonl")
    code, out, _ = command_line("robustness", path, "--data", world[0] / "data")
    assert code == 0
    assert f"{'accuracy':24}{100 * 93 / 96:7.2f}" in out
    assert "give a run folder" in out
    code, out, _ = command_line(
        "robustness", path, "--data", world[0] / "data", "--train-split", "val"
    )
    assert code == 0
    assert "not measured: There is no" in out


def test_two_files_are_compared_cell_by_cell(world, questions, command_line, tmp_path):
    first = given(questions, set(range(0, 40)), tmp_path / "first.jsonl")
    other = given(questions, {0, 95}, tmp_path / "other.jsonl")
    code, out, _ = command_line("compare", first, other, "--data", world[0] / "data", "--json")
    assert code == 0
    rows = {row["group"]: row for row in json.loads(out)["comparisons"][0]["rows"]}
    assert list(rows) == ["A-Counting", "V-Counting", "overall"]
    overall = rows["overall"]
    assert overall["difference"]["mean"] == pytest.approx(100 * (40 - 2) / 96)
    assert overall["mcnemar"] < 1e-6
    assert overall["difference"]["low"] > 0
    assert rows["A-Counting"]["mcnemar_adjusted"] >= rows["A-Counting"]["mcnemar"]
    code, out, _ = command_line("compare", first, other, "--data", world[0] / "data")
    assert code == 0
    assert "other minus first" in out
    assert "corrected for 2 tests of cells" in out
    code, out, _ = command_line("compare", first, other, "--data", world[0] / "data", "--table")
    assert code == 0
    head, _, *rows = [line.split("|")[1:-1] for line in out.splitlines() if line.startswith("|")]
    table = {row[0].strip(): dict(zip(map(str.strip, head), row, strict=True)) for row in rows}
    assert list(table) == ["first", "other"]
    assert table["first"]["overall"].split()[0] == f"{100 * 56 / 96:.1f}"
    assert table["other"]["minus first"].split()[0] == f"+{100 * 38 / 96:.1f}"
    assert set(table["first"]["minus first"] + table["first"]["ms/step"]) == {" "}


def test_runs_that_differ_in_the_seed_only_are_one_system(questions, tmp_path):
    paths = []
    about = {"method": "signs.py", "options": {}, "data": {"name": "bandstand", "mute": []}}
    for seed, wrong in enumerate([{0, 1}, {0, 5, 9}, {3}]):
        run = tmp_path / f"run-{seed}"
        write_json_folder(run, {**about, "recipe": {"epochs": 1, "seed": seed}, "seed": seed})
        given(questions, wrong, run / "predictions.test.jsonl")
        paths.append(run)
    alone = given(questions, set(range(0, 60, 2)), tmp_path / "alone.jsonl")
    study = comparing.compare([alone, *paths], questions, "test")
    assert [len(system.files) for system in study.systems] == [1, 3]
    assert study.systems[1].name == "signs"
    assert study.seeds[1].accuracies == pytest.approx([100 * (96 - n) / 96 for n in (2, 3, 1)])
    overall = study.comparisons[0].rows[-1]
    assert overall.mcnemar is None
    assert overall.difference.low > 0
    with pytest.raises(ValueError, match="one system"):
        comparing.compare(paths, questions, "test")
    with pytest.raises(ValueError, match="named twice"):
        comparing.compare([alone, alone], questions, "test")


def test_methods_are_grouped_by_the_design_marks_on_their_cards(
    world, questions, command_line, tmp_path
):
    wrong = {"avst": set(range(10)), "question_gru": set(range(0, 90, 2)), "gru": {1, 4}}
    for method, missed in wrong.items():
        about = {"method": method, "options": {}, "data": {"name": "bandstand", "mute": []}}
        write_json_folder(tmp_path / method, about)
        given(questions, missed, tmp_path / method / "predictions.test.jsonl")
    study = comparing.compare([tmp_path / method for method in wrong], questions, "test")
    designs = {design.mark: design for design in study.designs}
    assert designs["spatial_temporal"].marked == ("avst",)
    assert designs["spatial_temporal"].others == ("question_gru", "gru")
    first, other = 100 * 86 / 96, 100 * (51 + 94) / 2 / 96
    assert designs["spatial_temporal"].accuracies == pytest.approx((first, other))
    assert designs["music_specific"].difference is None  # none of them has it
    arguments = ("compare", *(tmp_path / method for method in wrong), "--data", world[0] / "data")
    code, out, err = command_line(*arguments)
    assert code == 0, err
    line = next(line for line in out.splitlines() if line.startswith("spatial temporal"))
    assert line.split()[2:5] == [f"{first:.2f}", f"{other:.2f}", f"{first - other:+.2f}"]
    assert "music specific" not in out
    code, out, _ = command_line(*arguments, "--table")
    assert code == 0
    assert "| avst | question_gru, gru |" in out
    told = json.loads(command_line(*arguments, "--json")[1])["designs"]
    assert [design["mark"] for design in told] == list(designs)


def write_json_folder(folder, about):
    folder.mkdir()
    write_json(folder / "run.json", about)


def test_files_that_answer_other_questions_are_refused_with_counts(
    world, questions, command_line, tmp_path
):
    whole = given(questions, set(), tmp_path / "whole.jsonl")
    strange = [dataclasses.replace(q, key=f"other/{i}") for i, q in enumerate(questions[:3])]
    part = given([*questions[10:], *strange], set(), tmp_path / "part.jsonl")
    code, out, err = command_line("compare", whole, part, "--data", world[0] / "data")
    assert (code, out) == (1, "")
    assert "part.jsonl does not answer the same questions" in err
    assert "10 predictions missing" in err
    assert "3 predictions for unknown keys" in err
    assert len(err.strip().splitlines()) == 1


def test_the_method_of_the_world_is_a_method(world):
    assert load_method(world[0] / "signs.py").card.trained == "counting"
