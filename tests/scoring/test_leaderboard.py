"""`leaderboard`: from runs and files to boards, by protocol, with questions and ranks."""

import json

import pytest
from scipy.stats import kendalltau

from musicavqa.bandstand.exports import write_questions
from musicavqa.bandstand.scene import sample_scene
from musicavqa.catalog import load
from musicavqa.catalog.protocol import Protocol, benchmark_of, of_result
from musicavqa.datasets import leaks, load_dataset
from musicavqa.files import write_json
from musicavqa.records import Prediction, Question
from musicavqa.scoring import importers
from musicavqa.scoring.entries import find_entries, named
from musicavqa.scoring.leaderboard import leaderboard
from musicavqa.scoring.rank_changes import rank_change
from musicavqa.training import runs
from real_rows import SHARED, TSPM, needs_real_rows

N_CLIPS = 12
OTHER = {"yes": "no", "no": "yes"}
TEXT = "Is there a cello sound?"


def write_split(root, split, shift=0):
    """Four questions a clip; three of four are answered 'yes'."""
    (root / split / "clips").mkdir(parents=True)
    scenes = [sample_scene("test", index + shift, duration_s=4.0) for index in range(N_CLIPS)]
    questions = []
    for scene in scenes:
        (root / split / "clips" / f"{scene['id']}.mp4").touch()
        for n in range(4):
            key, answer = f"bandstand/{split}/{len(questions)}", "no" if n == 3 else "yes"
            asked = (key, scene["id"], TEXT, 3, ("cello",), "A-Counting", answer, "rendered")
            questions.append(Question(*asked))
    lines = "".join(json.dumps(scene) + "\n" for scene in scenes)
    (root / split / "scenes.jsonl").write_text(lines)
    write_questions(root / split / "questions.jsonl", questions)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for shift, split in enumerate(("train", "val", "test")):
        write_split(root, split, 100 * shift)
    return root


def given(path, data, wrong, split="test"):
    """Predictions that are right but at these places."""
    questions = load_dataset("bandstand", data, split)[1]
    rows = [
        Prediction(q.key, OTHER[q.answer] if place in wrong else q.answer)
        for place, q in enumerate(questions)
    ]
    runs.write_predictions(path, rows)
    return path


def run_folder(root, at, seed, wrong, method="tspm", **about):
    folder = root / f"{method}-{seed}"
    folder.mkdir()
    told = {
        "method": method,
        "options": {"width": 1},
        "recipe": {"seed": seed},
        "streams": ["audio_vggish"],
        "parameters": 1234,
        "data": {
            "name": "bandstand",
            "mute": [],
            "identity": {"streams": {"audio_vggish": "audio_vggish-imported from drive (ab12)"}},
        },
    }
    write_json(folder / "run.json", {**told, **about})
    given(folder / "predictions.test.jsonl", at, wrong)
    return folder


def test_seeds_are_pooled_and_named_files_too(tmp_path, data):
    seeds = [run_folder(tmp_path, data, seed, set(range(seed + 2))) for seed in range(3)]
    lone = [given(tmp_path / f"lone{n}.jsonl", data, set(range(20 + n))) for n in range(2)]
    places = [(None, seed) for seed in seeds] + [("mine", path) for path in lone]
    board = leaderboard(places, data).boards[0]
    assert [item.name for item in board.standings] == ["tspm", "mine"]
    first, second = board.standings
    assert first.seeds.accuracies == pytest.approx([100 * (48 - n) / 48 for n in (2, 3, 4)])
    assert second.overall == pytest.approx(100 * (48 - 20.5) / 48)
    assert first.system.parameters == 1234
    assert first.features == {"audio_vggish": "imported from drive"}
    assert (first.places, second.places) == ((1, 1), (1, 1))  # unlike protocols have no rivals
    assert board.pairs == []
    tables = {str(table.protocol): table for table in board.tables}
    ranks = {name: [row.rank for row in table.rows] for name, table in tables.items()}
    assert ranks == {
        "bandstand, 48 questions, supervised": [1],
        "bandstand, 48 questions, training not said": [None],
    }


def test_what_was_trained_on_the_questions_is_another_protocol(tmp_path, data):
    questions = load_dataset("bandstand", data, "test")[1]
    honest = run_folder(tmp_path, data, 0, {0, 1}, "tspm")
    leaky = run_folder(tmp_path, data, 0, set(), "avst")
    other = run_folder(tmp_path, data, 0, {0}, "mcan",
                       data={"name": "music_avqa", "mute": []})  # fmt: skip
    (other / "predictions.test.jsonl").rename(other / "predictions.bandstand.test.jsonl")
    leaks.write_seen(leaky / leaks.SEEN, leaks.seen_in(questions[:1]))
    board = leaderboard([(None, honest), (None, leaky), (None, other)], data).boards[0]
    protocols = {item.name: item.protocol for item in board.standings}
    assert protocols["avst"].apart == "4 of the questions were trained on"
    assert protocols["mcan"].training == "trained on music_avqa"
    assert [len(table.rows) for table in board.tables] == [1, 1, 1]
    assert [table.rows[0].rank for table in board.tables] == [1, 1, 1]


def test_differences_are_paired_and_places_follow_from_the_sure_ones(tmp_path, data):
    files = {"good": set(), "near": {5}, "bad": set(range(0, 48, 2))}
    places = [(name, given(tmp_path / f"{name}.jsonl", data, wrong))
              for name, wrong in files.items()]  # fmt: skip
    board = leaderboard(places, data, training="supervised").boards[0]
    sure = {(pair.better, pair.worse): pair.sure for pair in board.pairs}
    assert sure == {("good", "near"): False, ("good", "bad"): True, ("near", "bad"): True}
    assert board.pairs[1].difference.mean == pytest.approx(50)
    assert {item.name: item.places for item in board.standings} == {
        "good": (1, 2), "near": (1, 2), "bad": (3, 3),
    }  # fmt: skip


def test_questions_that_all_fail_and_that_only_priors_know(tmp_path, data):
    """The majority is 'yes': what ends on 3 is 'no' and fails, all else a prior knows."""
    listens = given(tmp_path / "a.jsonl", data, {0, 1, 3, 7})
    too = given(tmp_path / "b.jsonl", data, {0, 3, 9})
    blind = run_folder(tmp_path, data, 0, {0}, "question_gru", streams=[])
    places = [("a", listens), ("b", too), (None, blind)]
    found = leaderboard(places, data, training="supervised").boards[0].per_question
    assert list(found.listening) == ["b", "a"]
    assert list(found.priors) == ["majority per template", "majority per question", "question_gru"]
    key = "bandstand/test/{}".format
    assert found.keys("only priors right") == [key(0), key(3)]  # question_gru is right on 3
    assert found.keys("divided") == [key(1), key(7), key(9)]
    assert found.keys("all wrong") == []
    assert found.expected_all_wrong == pytest.approx(48 * (4 / 48) * (3 / 48))
    assert found.counts()[-1]["all right"] == 43
    lines = found.csv().splitlines()
    assert len(lines) == 49
    assert lines[1].endswith("only priors right,0,0,1,1,0")


def test_the_order_on_two_sets_is_compared(tmp_path, data):
    wrong = {"test": {"a": 0, "b": 24, "c": 26}, "val": {"a": 30, "b": 2, "c": 4}}
    places = [
        (name, given(tmp_path / f"{name}-{split}.jsonl", data, set(range(n)), split))
        for split, names in wrong.items()
        for name, n in names.items()
    ]
    found = leaderboard(places, data, training="supervised")
    change = found.rank_changes[0]
    assert (change.first, change.second) == ("bandstand/test", "bandstand/val")
    assert {place.name: place.ranks for place in change.places} == {
        "a": (1, 3), "b": (2, 1), "c": (3, 2),
    }  # fmt: skip
    assert [place.change for place in change.places] == [-2, 1, 1]
    assert change.reversals == 2
    assert change.sure_reversals == [("a", "b"), ("a", "c")]
    right = ({"a": 48, "b": 24, "c": 22}, {"a": 18, "b": 46, "c": 44})
    sides = [[scores[name] for name in "abc"] for scores in right]
    assert change.tau == pytest.approx(kendalltau(*sides).statistic)


@pytest.mark.parametrize(
    "scores",
    [
        ([3.0, 2.0, 1.0], [3.0, 2.0, 1.0]),
        ([3.0, 2.0, 1.0, 0.5], [1.0, 2.0, 2.0, 5.0]),
        ([1.0, 1.0, 2.0, 3.0], [4.0, 1.0, 1.0, 1.0]),
    ],
)
def test_tau_is_that_of_scipy(scores):
    one, two = (dict(zip("abcd", values, strict=False)) for values in scores)
    found = rank_change(("x", "y"), one, two, ({}, {}))
    assert found.tau == pytest.approx(kendalltau(*scores).statistic)


def test_unlike_protocols_and_doubted_rows_are_never_ranked_together():
    board = Protocol("music-avqa", "overall", 9129, "supervised")
    assert board != Protocol("music-avqa", "overall", 9185, "supervised")
    assert not Protocol("music-avqa", "overall", None, "supervised").known
    apart = [row for row in load().results if "audio-only" in row.flags]
    assert all(of_result(row).apart for row in apart)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("music_avqa/test", ("music-avqa", "overall")),
        ("music_avqa/test@json", ("music-avqa", "overall")),
        ("music_avqa_v2/test@bias", ("music-avqa-v2-bias", "overall")),
        ("music_avqa_r/tail", ("music-avqa-r", "tail")),
        ("music_avqa/val", ("", "")),
        ("bandstand/val", ("bandstand", "overall")),
    ],
)
def test_a_split_is_the_test_of_one_benchmark_or_of_none(asked, expected):
    assert benchmark_of(asked) == expected


@needs_real_rows
def test_the_published_answers_of_tspm_stand_where_their_paper_says(tmp_path):
    questions = load_dataset("music_avqa", SHARED, "test")[1]
    rows = importers.import_predictions(TSPM, questions).predictions
    runs.write_predictions(tmp_path / "tspm.jsonl", rows)
    place = [("TSPM", tmp_path / "tspm.jsonl")]
    board = leaderboard(place, SHARED, training="supervised").boards[0]
    table = board.tables[0]
    assert str(table.protocol) == "music-avqa, 9,129 questions, supervised"
    ranked = [row.rank for row in table.rows if row.rank is not None]
    assert ranked == sorted(ranked)
    assert all(row.rank is None for row in table.rows if row.doubts)
    assert all(of_result(row.published).questions == 9129 for row in table.rows if row.published)
    taken = [item for item in board.reproduced if item.differences]
    assert [item.row.scores["avg"] for item in taken] == [76.79]
    assert all(abs(found.mean) < 0.006 for found in taken[0].differences.values())
    assert taken[0].agrees
    left = [item.why_not for item in board.reproduced if not item.differences]
    assert all(left)


def test_the_command_prints_tables_json_and_a_page(tmp_path, data, command_line):
    pytest.importorskip("matplotlib", reason="the page needs the plots extra")
    a = given(tmp_path / "a.jsonl", data, {0, 1})
    b = given(tmp_path / "b.jsonl", data, {0, 4})
    asked = (
        "leaderboard",
        f"<i>={a}",
        b,
        "--data",
        f"bandstand={data}",
        "--training",
        "supervised",
    )
    code, out, err = command_line(*asked, "--questions", tmp_path / "q.csv")
    assert code == 0, err
    assert "bandstand/test: bandstand, 48 questions, supervised" in out
    assert "paired differences" in out
    assert (tmp_path / "q.csv").read_text().startswith("key,clip,cell")
    assert "## bandstand/test" in command_line(*asked, "--markdown")[1]
    code, out, _ = command_line(*asked, "--json")
    (tmp_path / "board.json").write_text(out)
    from musicavqa.reports import boards

    html = boards.boards_section([boards.read_board(tmp_path / "board.json")])
    assert '<tr class="ours"><th scope="row">&lt;i&gt;</th>' in html
    assert "question by question" in html
    (tmp_path / "bad.json").write_text('{"kind": "else"}')
    code, _, err = command_line("report", "--out", tmp_path, "--leaderboard", tmp_path / "bad.json")
    assert (code, err.count("\n")) == (1, 1)
    assert "is not what `musicavqa leaderboard --json` prints" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.jsonl"], "There is no run folder or prediction file gone.jsonl"),
        (["a.jsonl", "--set", "music_avqa"], "None of 1 places has predictions of music_avqa"),
        (["a.jsonl", "--prior", "x"], "No system is called 'x'; a are here"),
        (["a.jsonl", "--data", "music_avqa=there"], "Say --data bandstand=FOLDER"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path, data, command_line, monkeypatch, arguments, message
):
    given(tmp_path / "a.jsonl", data, set())
    monkeypatch.chdir(tmp_path)
    if "--data" not in arguments:
        arguments = [*arguments, "--data", data]
    code, out, err = command_line("leaderboard", *arguments)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err


def test_a_path_with_a_sign_in_it_is_a_path(tmp_path, data):
    path = given(tmp_path / "a=b.jsonl", data, set())
    assert named([str(path), f"x={path}"]) == [(None, path), ("x", path)]
    assert list(find_entries([(None, path)])) == ["bandstand/test"]
