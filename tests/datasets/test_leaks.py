"""The leak guard, from pairs of questions to the command line, and replaced sound tracks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicavqa.datasets import leaks, load_dataset, official
from musicavqa.datasets.dubbing import dub
from musicavqa.records import Clip, Question
from musicavqa.training.batches import make_batches
from official_rows import official_row, v2_rows, write_v1, write_v2


def asked(n: int, video: str = "00000001", **more) -> Question:
    (found,) = official.to_questions([official_row(n, n, video)], f"set{n}/test")
    return replace(found, **more)


def test_wording_answer_and_key_do_not_make_another_question():
    question = asked(3)
    other = replace(question, key="r/test/9", text="Any violin?", answer="no", rephrases="x")
    assert leaks.overlap([other], leaks.seen_in([question])).keys == {"r/test/9"}


@pytest.mark.parametrize(
    "change", [{"clip": "00000002"}, {"sound_from": "00000002"}, {"slots": ("tuba",)}]
)
def test_clip_sound_and_slots_make_another_question(change):
    question = asked(3, slots=("violin",))
    assert not leaks.overlap([replace(question, **change)], leaks.seen_in([question])).keys


questions_of = st.lists(
    st.builds(
        lambda n, video, key: asked(n, f"{video:08d}", key=f"k/{key}"),
        st.integers(1, 4), st.integers(0, 3), st.integers(0, 10**6),
    ),
    max_size=12, unique_by=lambda question: question.key,
)  # fmt: skip


@given(questions_of, questions_of)
def test_numbers_are_those_of_a_plain_count(test, train):
    found = leaks.overlap(test, leaks.seen_in(train))
    both = [(q, t) for q in test for t in train if leaks.pair(q) == leaks.pair(t)]
    assert found.keys == {q.key for q, _ in both}
    assert found.n_pairs == len({leaks.pair(q) for q, _ in both})
    assert found.n_shared_clips == len({q.clip for q in test} & {q.clip for q in train})
    assert (found.n_questions, found.n_clips) == (len(test), len({q.clip for q in test}))


@pytest.mark.filterwarnings("ignore::musicavqa.datasets.leaks.LeakWarning")
@given(questions_of, questions_of)
def test_dropping_leaves_nothing_shared_and_the_rest_in_order(test, train):
    seen = leaks.seen_in(train)
    kept = leaks.guard(test, seen, ("test", "train"), drop_leaks=True)
    assert not leaks.overlap(kept, seen).keys
    assert kept == [q for q in test if q.key not in leaks.overlap(test, seen).keys]
    assert leaks.guard(test, seen, ("test", "train"), drop_leaks=False) == test


def test_the_warning_has_the_exact_numbers():
    train, test = [asked(3), asked(16)], [asked(3, key="a"), asked(3, key="b"), asked(13)]
    with pytest.warns(leaks.LeakWarning) as told:
        leaks.guard(test, leaks.seen_in(train), ("T", "S"), drop_leaks=True)
    assert str(told[0].message) == (
        "2 of 3 questions of T (1 different pairs of video and question) are also in S, "
        "and 1 of its 1 videos. Dropped: 2, left: 1."
    )


@given(questions_of)
def test_what_was_seen_survives_its_file(tmp_path_factory, questions):
    path = tmp_path_factory.mktemp("seen") / leaks.SEEN
    seen = leaks.seen_in([*questions, asked(17, sound_from="00000009")])
    leaks.write_seen(path, seen)
    assert leaks.read_seen(path) == seen


def test_a_broken_list_of_what_was_seen_is_told(tmp_path):
    (tmp_path / leaks.SEEN).write_text('["a"]\n')
    with pytest.raises(ValueError, match="no list of what was trained on"):
        leaks.read_seen(tmp_path / leaks.SEEN)


# ---- replaced sound ----------------------------------------------------------------------------


def test_a_dubbed_question_hears_the_other_clip_and_sees_its_own():
    clips = [Clip(name, None, 2.0) for name in ("a", "b")]
    plain, dubbed = asked(17, clip="a", key="plain"), asked(17, clip="a", sound_from="b")
    streams = {
        name: {"a": np.full((2, 1), 1.0), "b": np.full((2, 1), 2.0)}
        for name in ("audio_x", "music_x", "visual_x")
    }
    batch = next(make_batches(*dub(clips, [plain, dubbed], streams)))
    rows = dict(zip(batch.keys, batch.clip_of.tolist(), strict=True))
    for name, heard in (("audio_x", 2.0), ("music_x", 2.0), ("visual_x", 1.0)):
        assert batch.streams[name][rows[dubbed.key]].unique().tolist() == [heard]
        assert batch.streams[name][rows["plain"]].unique().tolist() == [1.0]


def test_nothing_changes_where_no_sound_is_replaced():
    clips, questions = [Clip("a", None, 2.0)], [asked(3, clip="a")]
    assert dub(clips, questions, {}) == (clips, questions, {})


# ---- command line ------------------------------------------------------------------------------

TRAIN = [official_row(n, n, f"{n:08d}") for n in (3, 9, 16)]
VAL = [official_row(13, 40, "00000040")]
TEST = [TRAIN[0], official_row(20, 50, "00000050"), official_row(14, 51, "00000050")]


@pytest.fixture
def data(tmp_path) -> Path:
    for split, rows in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        write_v1(tmp_path / "data", rows, split)
    return tmp_path / "data"


def train(command_line, data: Path, *more: object) -> tuple[Path, str]:
    arguments = ("--data", data, "--set", "music_avqa", "--out", data.parent / "runs")
    code, out, err = command_line("train", "template_prior", *arguments, *more)
    assert code == 0, err
    return Path(out.strip()), err


def test_a_set_of_its_own_is_trained_answered_and_scored_with_warnings(command_line, data):
    run, err = train(command_line, data)
    assert (run.parts[-3:-1], err) == (("music_avqa", "template_prior"), "")
    code, out, err = command_line("predict", run, "--data", data)
    predictions = Path(out.strip())
    assert (code, predictions.name) == (0, "predictions.test.jsonl")
    assert err.startswith("warning: 1 of 3 questions of music_avqa/test (1 different pairs")
    assert "and 1 of its 2 videos" in err
    asked = ("evaluate", predictions, "--data", data, "--set", "music_avqa", "--json")
    code, out, err = command_line(*asked)
    assert (code, json.loads(out)["groups"]["overall"]["asked"]) == (0, 3)
    assert "--drop-leaks removes them" in err
    code, out, err = command_line(*asked, "--drop-leaks")
    assert (code, json.loads(out)["groups"]["overall"]["asked"]) == (0, 2)
    assert "Dropped: 1, left: 2" in err


def test_leaked_questions_are_not_answered_when_dropped(command_line, data):
    run, _ = train(command_line, data)
    code, out, _ = command_line("predict", run, "--data", data, "--drop-leaks")
    keys = [json.loads(line)["key"] for line in Path(out.strip()).read_text().splitlines()]
    assert (code, sorted(keys)) == (0, ["music_avqa/test/1", "music_avqa/test/2"])


def test_training_keeps_clear_of_what_will_be_tested(command_line, data):
    arguments = ("--unseen", "music_avqa:test", "--drop-leaks")
    run, err = train(command_line, data, *arguments)
    assert "music_avqa/train" in err
    assert "Dropped: 1, left: 2" in err
    assert json.loads((run / "run.json").read_text())["data"]["train"] == 2
    code, _, err = command_line("predict", run, "--data", data)
    assert (code, err) == (0, "")  # nor is its video shared any more


def test_another_set_gets_a_prediction_file_of_its_own(command_line, data):
    write_v2(data, v2_rows())
    run, _ = train(command_line, data)
    arguments = ("--data", data, "--set", "music_avqa_v2", "--split", "test@balance")
    code, out, err = command_line("predict", run, *arguments)
    predictions = Path(out.strip())
    assert (code, predictions.name) == (0, "predictions.music_avqa_v2.test@balance.jsonl"), err
    assert len(predictions.read_text().splitlines()) == 7


def test_leaks_of_a_run_that_did_not_note_them_cannot_be_dropped(command_line, data):
    run, _ = train(command_line, data)
    (run / leaks.SEEN).unlink()
    code, _, err = command_line("predict", run, "--data", data, "--drop-leaks")
    assert (code, "Train anew" in err, len(err.splitlines())) == (1, True, 1)


def test_a_training_question_in_validation_is_told(command_line, data):
    write_v1(data, [*VAL, TRAIN[1]], "val")
    _, err = train(command_line, data)
    assert err.startswith("warning: 1 of 3 questions of music_avqa/train")


def test_unseen_needs_set_and_split(command_line, data):
    arguments = ("train", "template_prior", "--data", data, "--unseen", "music_avqa")
    code, _, err = command_line(*arguments)
    assert (code, "SET:SPLIT" in err) == (1, True)


def test_features_of_any_set(command_line, data, small_video):
    command = ("features", "extract", "music_avqa", "--streams", "audio_logmel")
    arguments = (*command, "--data", data, "--out", data.parent / "rows")
    code, _, err = command_line(*arguments)
    assert (code, "There is no video" in err, len(err.splitlines())) == (1, True, 1)
    videos = data / "MUSIC-AVQA/data/video"
    videos.mkdir()
    for name in {row["video_id"] for row in (*TRAIN, *VAL, *TEST)}:
        shutil.copy(small_video, videos / f"{name}.mp4")
    code, out, _ = command_line(*arguments)
    assert (code, out.startswith("5 arrays (clip x stream) written")) == (0, True), out


def test_a_v2_split_lists_the_clips_whose_sound_is_borrowed(data):
    write_v2(data, v2_rows())
    clips, _ = load_dataset("music_avqa_v2", data, "test@balance")
    assert "00000009" in {clip.id for clip in clips}
