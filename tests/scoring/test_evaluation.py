"""A page of numbers: the golden file of TSPM, kinds, parts, macro, what is withheld, the verbs."""

import csv
import io
import json
from dataclasses import replace

import pytest

from musicavqa.bandstand.exports import write_questions
from musicavqa.metrics.constants import MANY_ANSWERS, constants
from musicavqa.questions import TEMPLATES, fill
from musicavqa.records import Prediction, Question
from musicavqa.scoring.evaluation import RELEASES, evaluate, read_anew, title
from musicavqa.scoring.importers import import_predictions
from real_rows import TSPM, needs_real_rows, read_real

GOLDEN = {
    "A-Counting": 84.07, "A-Comparative": 64.65, "A": 76.91,
    "V-Counting": 82.29, "V-Location": 84.90, "V": 83.61,
    "AV-Existential": 82.19, "AV-Counting": 76.21, "AV-Location": 71.85,
    "AV-Comparative": 65.76, "AV-Temporal": 71.17, "AV": 73.51, "overall": 76.79,
}  # fmt: skip
"""The log of TSPM's authors about TSPM.result: results/TSPM.acc in GeWu-Lab/TSPM 0106ce4."""


def question(place, template, cell, answer, part=None):
    slots = ("violin", "cello")[: len(TEMPLATES[template - 1].slots)]
    key, clip = f"bandstand/test/{place}", f"clip-{place // 2}"
    return Question(key, clip, fill(template, slots), template, slots, cell, answer, part=part)


ASKED = [
    question(0, 2, "A-Counting", "two", "head"),
    question(1, 3, "A-Counting", "yes", "tail"),
    question(2, 3, "A-Counting", "no", "head"),
    question(3, 4, "A-Comparative", "yes", "head"),
    question(4, 14, "V-Location", "indoor", "tail"),
]


def said(*texts):
    """Predictions with these texts, read by `span`."""
    unread = [Prediction(q.key, None, "unreadable", text=text, outcome="none")
              for q, text in zip(ASKED, texts, strict=True)]  # fmt: skip
    return read_anew(ASKED, unread, "span")


@needs_real_rows
def test_the_real_result_file_of_tspm_gives_every_published_number():
    questions = read_real()
    report = evaluate(questions, import_predictions(TSPM, questions).predictions)
    assert report.title == "MUSIC-AVQA test, corrected (9,129)"
    numbers = report.as_dict()["groups"]
    assert {name: round(numbers[name]["accuracy"], 2) for name in GOLDEN} == GOLDEN
    assert set(numbers) == set(GOLDEN)
    assert sum(count.asked for count in report.scores.kinds.values()) == 9129
    assert {name: round(value, 2) for name, value in report.constants.items()} == {
        'always "yes"': 26.15,
        "the commonest answer of each template": 51.46,
    }
    assert numbers["overall"]["interval"][0] < 76.79 < numbers["overall"]["interval"][1]


@needs_real_rows
def test_each_release_is_scored_under_its_own_name():
    assert title(read_real()) == RELEASES["test", 9129]
    assert title(read_real("test@json")) == RELEASES["test", 9185]
    assert title(read_real()[:10]) == "music_avqa test"


def test_kinds_parts_and_macro_are_counted_by_hand():
    report = evaluate(ASKED, said("2", "no", "no", "yes", "outdoor"))
    kinds = {name: (c.asked, c.correct) for name, c in report.scores.kinds.items()}
    assert kinds == {"yes/no": (3, 2), "count": (1, 1), "scene": (1, 0)}
    parts = {name: (c.asked, c.correct) for name, c in report.scores.parts.items()}
    assert parts == {"head": (3, 3), "tail": (2, 0)}
    assert report.scores["A"].accuracy == 75.0
    assert report.scores.macro["A"] == pytest.approx((200 / 3 + 100) / 2)
    assert report.scores.macro["overall"] == pytest.approx((200 / 3 + 100 + 0) / 3)
    assert report.outcomes == {"exact": 4, "alias": 1}


def test_the_page_says_what_every_number_is():
    page = evaluate(ASKED, said("2", "no", "yes and no", "I cannot tell.", "")).table()
    for told in (
        "bandstand test: 5 questions about 3 clips", "A, micro", "A, macro", "overall, micro",
        "by kind of answer", "by part", "read by span/1: exact 1, alias 1, ambiguous 1, refusal 1, "
        "empty 1", 'without the clip (chosen on these questions): always "yes" 40.00',
    ):  # fmt: skip
        assert told in page
    widths = {len(line) for line in page.splitlines() if line.startswith(("A-", "V-", "yes/no"))}
    assert len(widths) == 1


def test_csv_holds_the_numbers_of_the_page():
    report = evaluate(ASKED, said("2", "no", "no", "yes", "outdoor"))
    rows = list(csv.DictReader(io.StringIO(report.csv())))
    found = {(row["table"], row["name"]): row for row in rows}
    assert float(found["groups", "overall"]["accuracy"]) == 60.0
    assert found["kinds", "yes/no"]["correct"] == "2"
    assert float(found["macro", "V"]["accuracy"]) == 0.0


def test_too_many_failed_answers_withhold_the_headline_but_not_the_counts():
    good = said("2", "yes", "no", "yes", "indoor")
    failed = evaluate(ASKED, [*good[:4], replace(good[4], answer=None, status="unreadable",
                                                 text=None, outcome="error")])  # fmt: skip
    numbers = failed.as_dict()
    assert evaluate(ASKED, good).as_dict()["headline"] == 100.0
    assert numbers["headline"] is None
    assert "1 of 5 answers are failures of the run" in numbers["withheld"]
    assert numbers["groups"]["overall"]["asked"] == 5
    assert "withheld" in failed.table()
    assert "80.00" not in failed.table().split("overall, micro")[1].splitlines()[0]


def test_one_sentence_that_names_many_answers_is_high_by_containment_and_nothing_by_span():
    predictions = said(*[MANY_ANSWERS] * 5)
    assert evaluate(ASKED, predictions).scores["overall"].correct == 0
    legacy = evaluate(ASKED, predictions, "contains_legacy")
    assert legacy.rule == "contains_legacy/1"
    assert (legacy.scores["overall"].correct, legacy.scores["overall"].unreadable) == (4, 0)
    assert legacy.constants[f'always "{MANY_ANSWERS}"'] == 80.0
    failed = [replace(p, text=None, outcome="error") for p in predictions]
    assert evaluate(ASKED, failed, "contains_legacy").withheld


@needs_real_rows
def test_the_sentence_scores_sixty_three_by_containment_on_the_real_questions():
    found = constants(read_real(), "contains_legacy")
    assert round(found[f'always "{MANY_ANSWERS}"'], 2) == 63.37


def test_texts_are_read_anew_only_where_they_were_kept():
    kept = said("a fiddle", "no", "no", "yes", "outside")
    exact = read_anew(ASKED, kept, "exact")
    assert [p.outcome for p in exact] == ["none", "exact", "exact", "exact", "none"]
    with pytest.raises(ValueError, match="5 of 5 predictions keep no text"):
        evaluate(ASKED, [Prediction(q.key, "yes") for q in ASKED], "span")
    with pytest.raises(ValueError, match="cannot be read anew by 'mcq'; there are span, exact"):
        evaluate(ASKED, kept, "mcq")
    absent = [Prediction(q.key, None, "no media") for q in ASKED]
    assert evaluate(ASKED, absent, "exact").scores["overall"].no_media == 5


@pytest.fixture
def folder(tmp_path):
    """A bandstand folder of the five questions, with empty clips: scoring opens none."""
    place = tmp_path / "test"
    (place / "clips").mkdir(parents=True)
    clips = sorted({q.clip for q in ASKED})
    scenes = [json.dumps({"id": clip, "duration_s": 1.0}) for clip in clips]
    (place / "scenes.jsonl").write_text("\n".join(scenes))
    write_questions(place / "questions.jsonl", ASKED)
    for clip in clips:
        (place / "clips" / f"{clip}.mp4").touch()
    return tmp_path


def test_a_foreign_file_is_imported_and_evaluated_by_the_command_line(command_line, folder):
    source, made = folder / "answers.csv", folder / "p.jsonl"
    source.write_text("key,answer\n" + "".join(f"{q.key},It is {q.answer}.\n" for q in ASKED[1:]))
    place = ("--set", "bandstand", "--root", folder, "--out", made)
    code, out, err = command_line("predictions", "import", source, *place)
    assert (code, out) == (1, "")
    assert "Of 5 questions: 1 predictions missing (first: bandstand/test/0)" in err
    code, out, err = command_line("predictions", "import", source, *place, "--partly")
    assert (code, out.strip()) == (0, str(made))
    assert "4 of 5 answers from plain; read by span/1: span 4; 1 missing" in err
    code, out, err = command_line("evaluate", made, "--data", folder, "--json")
    assert code == 0, err
    assert (code, json.loads(out)["headline"]) == (0, 80.0)
    code, out, _ = command_line("evaluate", made, "--data", folder, "--csv", "--scorer", "exact")
    assert (code, out.splitlines()[0].split(",")[:3]) == (0, ["table", "name", "accuracy"])
    assert "groups,overall,0.0," in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("predictions", "import", "a.csv", "--set", "jazz", "--root", "."), "no data set 'jazz'"),
        (("predictions", "import", "a.csv", "--set", "bandstand", "--root", "."), "no file a.csv"),
        (("evaluate", "a.jsonl", "--data", "."), "no predictions at a.jsonl"),
        (("evaluate", "a.jsonl", "--json", "--csv"), "exclude each other"),
    ],
)
def test_what_cannot_be_scored_says_so_in_one_line(
    monkeypatch, command_line, folder, arguments, told
):
    monkeypatch.chdir(folder)
    code, out, err = command_line(*arguments)
    assert (code, out, len(err.strip().splitlines())) == (1, "", 1)
    assert told in err
