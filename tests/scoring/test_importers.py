"""Files of other programs: real ones give the published numbers, damaged ones one clear line."""

import csv
import json
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicavqa.metrics.accuracy import KeyMismatchError
from musicavqa.questions import TEMPLATES, fill
from musicavqa.records import Prediction, Question
from musicavqa.scoring import importers
from musicavqa.scoring.importers import FORMATS, TABLES, import_predictions
from musicavqa.training import runs
from real_rows import TSPM, needs_real_rows, read_real


def question(place, template, slots, answer, clip):
    return Question(
        key=f"set/test/{place}",
        clip=clip,
        text=fill(template, slots),
        template=template,
        slots=slots,
        cell=TEMPLATES[template - 1].cell,
        answer=answer,
        question_id=100 + place,
    )


ASKED = [
    question(0, 3, ("violin",), "yes", "clip-0"),
    question(1, 2, (), "two", "clip-0"),
    question(2, 11, ("left", "piano"), "acoustic_guitar", "clip-1"),
    question(3, 24, ("loudest",), "middle", "clip-1"),
]
SAID = ["Yes, there is.", "2", "an acoustic guitar", "It is on the left."]
READ = ["yes", "two", "acoustic_guitar", "left"]

TSPM_TEXT = "".join(
    f"{question_id} \t {gold == given} \t {gold} \t {given}\n"
    for question_id, gold, given in ((100, 7, 7), (101, 0, 8), (102, 30, 30), (103, 26, 16))
)


def lmms_rows(flat: bool) -> list[dict]:
    return [
        {
            "doc_id": place,
            "target": asked.answer,
            "filtered_resps": said if flat else [said],
            "resps": [said] if flat else [[said]],
            "doc_hash": "0",
            "input": f"{asked.text}\nAnswer in one word.",
        }
        for place, (asked, said) in enumerate(zip(ASKED, SAID, strict=True))
    ]


def vlm_rows() -> list[dict]:
    return [
        {"index": place, "question": asked.text, "answer": asked.answer, "prediction": said}
        for place, (asked, said) in enumerate(zip(ASKED, SAID, strict=True))
    ]


def plain_rows(*names: str) -> list[dict]:
    values = {
        "key": lambda q: q.key,
        "video_id": lambda q: q.clip,
        "question_id": lambda q: q.question_id,
        "question": lambda q: q.text.strip(),
    }
    return [
        {**{name: values[name](asked) for name in names}, "answer": said}
        for asked, said in zip(ASKED, SAID, strict=True)
    ]


def write(path: Path, rows: list[dict]) -> Path:
    """Rows in the kind of file that the suffix names."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif path.suffix == ".xlsx":
        book = pytest.importorskip("openpyxl").Workbook()
        for cells in (list(rows[0]), *(list(row.values()) for row in rows)):
            book.active.append(cells)
        book.save(path)
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as handle:
            table = csv.DictWriter(
                handle, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ","
            )
            table.writeheader()
            table.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("name", "rows", "format"),
    [
        ("log.jsonl", lmms_rows(flat=False), "lmms_eval"),
        ("log.jsonl", lmms_rows(flat=True), "lmms_eval"),
        ("model_set.tsv", vlm_rows(), "vlmevalkit"),
        ("model_set.json", vlm_rows(), "vlmevalkit"),
        ("model_set.csv", vlm_rows(), "vlmevalkit"),
        ("model_set.xlsx", vlm_rows(), "vlmevalkit"),
        ("mine.csv", plain_rows("key"), "plain"),
        ("mine.csv", plain_rows("video_id", "question"), "plain"),
        ("mine.csv", plain_rows("video_id", "question_id"), "plain"),
        ("mine.tsv", plain_rows("question_id"), "plain"),
        ("mine.jsonl", plain_rows("video_id", "question_id", "question"), "plain"),
        ("mine.xlsx", plain_rows("key"), "plain"),
    ],
)
def test_each_format_is_recognised_and_read_in_any_order(tmp_path, name, rows, format):
    path = write(tmp_path / name, rows[::-1])
    imported = import_predictions(path, ASKED)
    assert imported.format == format
    assert [p.key for p in imported.predictions] == [q.key for q in ASKED]
    assert [p.answer for p in imported.predictions] == READ
    assert [p.text for p in imported.predictions] == SAID
    assert [p.outcome for p in imported.predictions] == ["span", "alias", "exact", "span"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((name, "no idea") for name in (
            "pred", "prediction", "pred_answer", "predicted-answer", "model_output", "modelAnswer",
            "response", "output", "generated_text", "pred_label",
        )),
        ("qwen", "violin"),  # no name that says so, but values that are answers
    ],
)  # fmt: skip
def test_the_model_s_answers_are_never_guessed_between_two_columns(tmp_path, column, value):
    rows = [{**row, "answer": q.answer, column: value}
            for row, q in zip(plain_rows("video_id", "question"), ASKED, strict=True)]  # fmt: skip
    path = write(tmp_path / "both.jsonl", rows)
    with pytest.raises(ValueError, match="could each be the answer of the model") as raised:
        import_predictions(path, ASKED)
    assert f"--column answer or --column {column}" in str(raised.value).replace(
        f"--column {column} or --column answer", f"--column answer or --column {column}"
    )
    imported = import_predictions(path, ASKED, column=column)
    assert [p.text for p in imported.predictions] == [value] * len(ASKED)


def test_a_column_of_right_answers_is_compared_with_the_questions_and_not_taken(tmp_path):
    rows = [{**row, "gold_answer": q.answer, "question_type": "Counting", "confidence": 0.5}
            for row, q in zip(plain_rows("key"), ASKED, strict=True)]  # fmt: skip
    imported = import_predictions(write(tmp_path / "a.csv", rows), ASKED)
    assert [p.text for p in imported.predictions] == SAID
    rows[0]["gold_answer"] = "no"
    with pytest.raises(ValueError, match="1 of 4 right answers"):
        import_predictions(write(tmp_path / "b.csv", rows), ASKED)


def test_a_column_must_be_in_every_row_and_of_a_plain_table(tmp_path):
    path = write(tmp_path / "a.csv", plain_rows("key"))
    with pytest.raises(ValueError, match="no column 'said' in every row; there are answer, key"):
        import_predictions(path, ASKED, column="said")
    with pytest.raises(ValueError, match="--column goes with plain tables"):
        import_predictions(path, ASKED, "vlmevalkit", column="answer")


@pytest.mark.parametrize(
    "named", [lambda q: f"{q.clip}.mp4", lambda q: q.clip, lambda q: q.question_id]
)
def test_videollama2_is_read_by_name_and_from_lines_in_a_json_file(tmp_path, named):
    rows = [
        {"id": named(q), "question": q.text.strip(), "answer": q.answer, "pred": said}
        for q, said in zip(ASKED, SAID, strict=True)
    ]
    path = tmp_path / "merge.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    imported = import_predictions(path, ASKED)
    assert imported.format == "videollama2"
    assert [p.answer for p in imported.predictions] == READ
    path.write_text("".join(json.dumps({**row, "answer": "ten"}) + "\n" for row in rows))
    with pytest.raises(ValueError, match="4 of 4 right answers"):
        import_predictions(path, ASKED)


def test_answers_that_are_all_right_are_told(tmp_path):
    rows = [{"key": q.key, "answer": q.answer} for q in ASKED]
    with pytest.warns(importers.GoldWarning, match=r"All 4 answers in .* are the right ones"):
        import_predictions(write(tmp_path / "gold.csv", rows), ASKED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        import_predictions(write(tmp_path / "mine.csv", plain_rows("key")), ASKED)


def test_a_result_file_of_answer_numbers_needs_no_reading(tmp_path):
    path = tmp_path / "TSPM.result"
    path.write_text(TSPM_TEXT)
    imported = import_predictions(path, ASKED)
    assert [p.answer for p in imported.predictions] == ["yes", "one", "acoustic_guitar", "left"]
    assert {p.rule for p in imported.predictions} == {None}


@needs_real_rows
def test_the_real_result_file_of_tspm_joins_the_corrected_release_and_no_other():
    imported = import_predictions(TSPM, read_real())
    assert (imported.format, imported.n_given) == ("tspm", 9129)
    with pytest.raises(ValueError, match="55 names are shared by several of the 9185 questions"):
        import_predictions(TSPM, read_real("test@json"))
    with pytest.raises(KeyMismatchError, match="9129 predictions for unknown keys"):
        import_predictions(TSPM, read_real("val"))


def test_choices_are_read_by_the_options_of_each_row(tmp_path):
    options = {"A": "violin", "B": "acoustic guitar", "C": "flute"}
    rows = [
        {"index": 0, "question": ASKED[2].text, "answer": "B", **options, "prediction": "(B)"},
        {"index": 1, "question": ASKED[2].text, "answer": "B", **options, "prediction": "dunno"},
    ]
    asked = [question(place, 11, ("left", "piano"), "acoustic_guitar", "c") for place in (0, 1)]
    imported = import_predictions(write(tmp_path / "a.json", rows), asked)
    assert [p.answer for p in imported.predictions] == ["acoustic_guitar", None]
    assert {p.rule for p in imported.predictions} == {"mcq/1"}
    path = write(tmp_path / "b.json", vlm_rows())
    with pytest.raises(ValueError, match=r"4 of 4 rows .* no two options to choose from"):
        import_predictions(path, ASKED, scorer="mcq")


def test_missing_answers_stop_unless_they_may_be_missing_and_then_count_as_no_media(tmp_path):
    path = write(tmp_path / "part.csv", plain_rows("key")[1:])
    with pytest.raises(KeyMismatchError, match="Of 4 questions: 1 predictions missing"):
        import_predictions(path, ASKED)
    imported = import_predictions(path, ASKED, partly=True)
    assert (imported.predictions[0].status, imported.n_given) == ("no media", 3)
    assert "3 of 4 answers from plain" in imported.summary()
    assert "1 missing, counted as no media" in imported.summary()


ROW = plain_rows("key")[0]
VLM = vlm_rows()


@pytest.mark.parametrize(
    ("name", "rows", "told"),
    [
        ("a.csv", [*plain_rows("key"), ROW], "1 keys predicted more than once"),
        ("a.csv", [*plain_rows("key"), {**ROW, "key": "set/val/0"}], "1 predictions for unknown"),
        ("a.csv", plain_rows("video_id"), "is of no known format (columns: answer, video_id)"),
        ("a.jsonl", [{**ROW, "key": None}], "1 of 1 rows of {path} have no key"),
        ("a.jsonl", [ROW, {**ROW, "text": ""}], "answer and text could each be the answer"),
        ("a.jsonl", [{**ROW, "answer": ["yes"]}], "'answer' holds ['yes'], which is no text"),
        ("a.csv", [{"question_id": "1.5", "answer": "x"}], "which is no whole number"),
        ("a.json", [{**row, "answer": "two"} for row in VLM], "3 of 4 right answers in {path}"),
        ("a.json", [{**row, "index": 3 - row["index"]} for row in VLM], "right answers in {path}"),
        ("a.json", [{"index": i, "prediction": "x"} for i in range(4)], "which nothing confirms"),
        ("a.json", [{**row, "key": "k", "prediction": "x"} for row in plain_rows("key")],
         "answer and prediction could each be the answer"),
        ("a.json", [{"index": 0, "key": "k", "prediction": "x"}], "may be plain or vlmevalkit"),
        ("a.jsonl", [{**row, "filtered_resps": ["a", "b"]} for row in lmms_rows(False)],
         "'filtered_resps' holds 2 texts"),
    ],
)  # fmt: skip
def test_what_does_not_fit_stops_with_counts(tmp_path, name, rows, told):
    path = write(tmp_path / name, rows)
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        import_predictions(path, ASKED)
    assert told.format(path=path) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "", "has no rows"),
        ("a.csv", "key,answer\n", "has no rows"),
        ("a.csv", "key,key\n1,2\n", "has two columns 'key'"),
        ("a.csv", "key,answer\nset/test/0\n", ":2 has 1 cells, its header 2"),
        ("a.csv", 'key,answer\n1,"yes\n', "is damaged"),
        ("a.csv", b"key,answer\n1,\xff\n", "is not UTF-8 text (byte 13)"),
        ("a.json", '[{"key": "set/te', "is no JSON"),
        ("a.json", "[" * 100000, "is no readable JSON"),
        ("a.json", "{}", "not a list of objects"),
        ("a.jsonl", '{"key": "k"}\n[1]\n', ":2 is [1], not an object"),
        ("a.xlsx", b"PK\x03\x04nonsense", "xlsx"),
        ("a.result", "100 \t True \t 7\n", "is of no known format"),
        ("a.result", TSPM_TEXT + "104 \t True \t 7 \t 8\n", ":5 says True for the answer numbers"),
        ("a.result", TSPM_TEXT + "104 \t False \t 7 \t 42\n", ":5 has answer number 42"),
        ("a.result", TSPM_TEXT + "104 \t Fal", ":5 is '104 \\t Fal', not question id"),
        ("a.pkl", b"\x80\x04", "is not UTF-8"),
    ],
)
def test_a_damaged_file_says_where_in_one_line(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((ValueError, ImportError)) as raised:
        import_predictions(path, ASKED)
    assert told in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_file_that_is_not_there_and_a_format_that_is_none_are_named(tmp_path):
    for name in ("a.csv", "a.result", "a.xlsx"):
        with pytest.raises((FileNotFoundError, ImportError), match=r"There is no file|openpyxl"):
            import_predictions(tmp_path / name, ASKED)
    with pytest.raises(ValueError, match="no format 'pickle'; there are tspm, lmms_eval"):
        importers.read(tmp_path / "a.csv", "pickle")


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.lists(st.text(max_size=3), max_size=3), st.dictionaries(st.text(max_size=3), st.none()),
    st.sampled_from([q.key for q in ASKED]), st.sampled_from([q.question_id for q in ASKED]),
)  # fmt: skip
COLUMNS = (
    "key", "index", "doc_id", "question_id", "video_id", "question", "answer", "prediction",
    "target", "filtered_resps", "resps", "doc", "options", "A", "B", "id", "pred", "gold",
)  # fmt: skip
FILES = [lmms_rows(flat=True), vlm_rows(), plain_rows("key"), plain_rows("video_id", "question")]
strange_rows = st.lists(st.dictionaries(st.sampled_from(COLUMNS), values, max_size=7), max_size=5)
nearly_right_rows = st.builds(
    lambda rows, place, column, value: [
        {**row, column: value} if number == place else row for number, row in enumerate(rows)
    ],
    st.sampled_from(FILES),
    st.integers(0, 3),
    st.sampled_from(COLUMNS),
    values,
)


@given(
    st.one_of(strange_rows, nearly_right_rows),
    st.sampled_from([None, *TABLES]),
    st.sampled_from([".json", ".jsonl"]),
)
@settings(max_examples=300, deadline=None)
def test_fuzzed_rows_give_every_row_or_one_line(tmp_path_factory, rows, format, suffix):
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    write(path, rows)
    gives_all_or_one_line(path, format, len(rows))


@given(st.binary(max_size=200), st.sampled_from([".csv", ".tsv", ".json", ".jsonl", ".result"]))
@settings(max_examples=60, deadline=None)
def test_fuzzed_bytes_give_every_row_or_one_line(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"bytes{suffix}"
    path.write_bytes(content)
    for format in (None, *FORMATS):
        gives_all_or_one_line(path, format, None)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_cut_or_changed_result_file_is_refused_or_whole(tmp_path_factory, data):
    place = data.draw(st.integers(0, len(TSPM_TEXT)))
    other = data.draw(st.text(alphabet="0123456789TrueFals \t\n", max_size=3))
    path = tmp_path_factory.getbasetemp() / "changed.result"
    path.write_text(TSPM_TEXT[:place] + other + TSPM_TEXT[place + len(other) :])
    gives_all_or_one_line(path, "tspm", None)


def gives_all_or_one_line(path: Path, format: str | None, n_rows: int | None) -> None:
    try:
        found = importers.read(path, format or importers.sniff(path))
        imported = import_predictions(path, ASKED, format, partly=True)
    except (ValueError, FileNotFoundError) as error:
        told = str(error)
    else:
        told = "every row"
        assert n_rows in (None, len(found))
        assert len(imported.predictions) == len(ASKED)
        assert sum(p.status != "no media" for p in imported.predictions) == len(found)
    assert len(told.splitlines()) == 1, told


prediction_rows = st.dictionaries(
    st.sampled_from(["key", "answer", "status", "confidence", "runner_up", "text", "more"]),
    st.one_of(values, st.sampled_from(["yes", "answered", "no media"])),
)


@given(st.lists(st.one_of(prediction_rows, values), max_size=4), st.binary(max_size=20))
@settings(max_examples=200, deadline=None)
def test_fuzzed_prediction_files_give_every_line_or_one_line(tmp_path_factory, rows, tail):
    path = tmp_path_factory.getbasetemp() / "fuzz.predictions.jsonl"
    path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode() + tail)
    try:
        told, found = "every line", runs.load_predictions(path)
    except ValueError as error:
        told = str(error)
    else:
        assert len(found) == len(rows) + bool(tail)
    assert len(told.splitlines()) == 1, told


def test_a_prediction_file_of_ours_needs_no_import(tmp_path):
    path = tmp_path / "predictions.test.jsonl"
    runs.write_predictions(path, [Prediction(q.key, "yes") for q in ASKED])
    with pytest.raises(ValueError, match=r"prediction file already. Run: musicavqa evaluate"):
        import_predictions(path, ASKED)


def test_imported_predictions_are_written_and_read_back(tmp_path):
    path = write(tmp_path / "mine.csv", plain_rows("key"))
    predictions = import_predictions(path, ASKED).predictions
    runs.write_predictions(tmp_path / "out" / "predictions.jsonl", predictions)
    assert runs.read_predictions(tmp_path / "out" / "predictions.jsonl", ASKED) == predictions


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("not json", "is no line of JSON"),
        ("[1]", "is no prediction with answer, key"),
        ('{"key": "k", "answer": "yes", "score": 1}', "is no prediction with answer, key"),
        ('{"key": "k"}', "is no prediction with answer, key"),
        ('{"key": 1, "answer": "yes"}', "the key 1 or the status 'answered' is not valid"),
        ('{"key": "k", "answer": "Yes."}', "the answer 'Yes.' is none of the 42"),
        ('{"key": "k", "answer": null}', "the answer None does not go with"),
        ('{"key": "k", "answer": "yes", "status": "no media"}', "does not go with"),
        ('{"key": "k", "answer": "yes", "confidence": 2}', "the confidence 2 is not between"),
        ('{"key": "k", "answer": "yes", "text": 3}', "are text"),
    ],
)
def test_a_line_that_is_no_prediction_is_named(tmp_path, line, told):
    path = tmp_path / "predictions.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(ValueError, match="musicavqa predictions import FILE") as raised:
        runs.read_predictions(path, ASKED)
    assert told in str(raised.value)
    assert f"{path}:1" in str(raised.value)
