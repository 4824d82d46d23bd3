"""The loop, its resumption, batches and run files, on synthetic clips."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import make_batch, make_clips, make_questions, make_streams, small_options
from musicavqa.methods.card import Recipe
from musicavqa.methods.registry import load_method
from musicavqa.metrics.accuracy import KeyMismatchError
from musicavqa.records import Prediction
from musicavqa.training import batches, learner, runs
from musicavqa.training.batches import Collation, FeatureError, make_batches
from musicavqa.training.loop import (
    Data,
    load_checkpoint,
    predict,
    rate_factor,
    train,
)
from musicavqa.training.schedule import position
from musicavqa.training.settings import check_time

STREAMS = ("audio_yamnet", "visual_effnet")
RECIPE = Recipe(
    epochs=4, batch_clips=3, learning_rate=1e-3, max_questions_per_clip=2, gradient_clip=1.0,
    warmup_epochs=0.5, label_smoothing=0.1,
)  # fmt: skip

GROUNDING = {"grounding": dataclasses.replace(RECIPE, epochs=2, label_smoothing=0.0)}


def small_data():
    clips = make_clips(6, 3)
    questions = make_questions(clips, 4)
    return Data(
        name="synthetic",
        clips=clips,
        train=[q for q in questions if q.clip != "clip-0"],
        validation=[q for q in questions if q.clip == "clip-0"],
        streams=make_streams(clips, STREAMS),
        identity={"revision": 1},
    )


def small_avst():
    return dataclasses.replace(small_options("avst"), width=16, dropout=0.1)


def train_small(out, **changes):
    changes = {"stages": GROUNDING, **changes}
    return train("avst", small_avst(), RECIPE, small_data(), out, **changes)


def weights(folder):
    return load_checkpoint(folder).model.state_dict()


def log(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    times = ("seconds", "cpu_seconds", "step_cpu_ms")
    return [{k: v for k, v in line.items() if k not in times} for line in lines]


def assert_same_run(first, second):
    assert log(first) == log(second)
    one, other = weights(first), weights(second)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train_small(tmp_path_factory.mktemp("runs"))


def test_a_run_is_a_folder_that_tells_how_it_was_made(finished):
    about = json.loads((finished / "run.json").read_text())
    assert finished.parts[-3:-1] == ("synthetic", "avst")
    assert finished.name.endswith("-s0")
    assert about["recipe"]["epochs"] == 4
    assert about["options"]["width"] == 16
    assert about["data"]["identity"] == {"revision": 1}
    assert about["parameters"] == sum(v.numel() for v in weights(finished).values())
    assert load_checkpoint(finished).temperature == about["temperature"]
    assert [line["epoch"] for line in log(finished)] == [0, 1, 0, 1, 2, 3]
    assert set(log(finished)[2]["losses"]) == {"answer", "match"}


def test_stages_come_before_answering_and_tell_their_losses(finished):
    about = json.loads((finished / "run.json").read_text())
    first, second, *answering = log(finished)
    assert [first["stage"], second["stage"]] == ["grounding", "grounding"]
    assert set(first["losses"]) == {"match"}
    assert not any("stage" in line for line in answering)
    assert about["stages"]["grounding"]["epochs"] == 2
    assert about["stage_losses"] == {"grounding": second["losses"]}


def test_the_last_weights_of_a_stage_begin_the_next(tmp_path):
    still = dataclasses.replace(RECIPE, learning_rate=0.0, epochs=1)
    folder = train("avst", small_avst(), still, small_data(), tmp_path, stages=GROUNDING)
    moved = weights(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        born = load_method("avst").build(small_avst()).state_dict()
    assert not torch.equal(moved["where.out.weight"], born["where.out.weight"])
    assert torch.equal(moved["answer.weight"], born["answer.weight"])  # the stage leaves it alone


def test_a_run_without_stages_is_another_run(finished, tmp_path):
    folder = train_small(tmp_path, stages={})
    assert folder.name != finished.name
    assert all("stage" not in line for line in log(folder))
    assert "stages" not in json.loads((folder / "run.json").read_text())


def test_a_stage_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"avst has no stage 'rhythm'; its stages: \['grounding'"):
        train_small(tmp_path, stages={"rhythm": RECIPE})
    with pytest.raises(ValueError, match="drop its patience"):
        train_small(tmp_path, stages={"grounding": dataclasses.replace(RECIPE, patience=2)})
    alone = {"grounding": dataclasses.replace(RECIPE, batch_clips=1)}
    with pytest.raises(ValueError, match="'grounding' has no loss in any batch"):
        train_small(tmp_path, stages=alone)


def test_equal_seeds_give_equal_runs_and_other_seeds_other_folders(finished, tmp_path):
    assert_same_run(train_small(tmp_path), finished)
    other = train_small(tmp_path, seed=1)
    assert other.name.endswith("-s1")
    assert log(other) != log(finished)


@pytest.mark.parametrize("step", [1, 5])
def test_a_run_stopped_within_an_epoch_goes_on_and_ends_the_same(
    finished, tmp_path, monkeypatch, step
):
    original, calls = learner.loss_parts, []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == step:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(learner, "loss_parts", stops)
        with pytest.raises(KeyboardInterrupt):
            train_small(tmp_path)
    assert not list(tmp_path.rglob("run.json"))
    assert_same_run(train_small(tmp_path), finished)


KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[2].split(os.pathsep)
import test_training
from musicavqa.training import learner
original = learner.save_state
def save(*arguments):
    original(*arguments)
    if [arguments[3].stage, str(arguments[3].epoch)] == sys.argv[3:]:
        os.kill(os.getpid(), signal.SIGKILL)
learner.save_state = save
test_training.train_small(test_training.Path(sys.argv[1]))
"""


@pytest.mark.parametrize("moment", [("grounding", "1"), ("", "2")])
def test_a_killed_process_goes_on_and_ends_the_same(finished, tmp_path, moment):
    here = os.pathsep.join(str(place) for place in Path(__file__).parents[:2])
    command = [sys.executable, "-c", KILLED, str(tmp_path), here, *moment]
    killed = subprocess.run(command, check=False)
    assert killed.returncode == -9
    assert list(tmp_path.rglob("state.safetensors"))
    assert_same_run(train_small(tmp_path), finished)


def test_a_finished_run_is_left_alone(tmp_path):
    folder = train_small(tmp_path)
    before = (folder / "checkpoint.safetensors").stat().st_mtime_ns
    assert train_small(tmp_path) == folder
    assert (folder / "checkpoint.safetensors").stat().st_mtime_ns == before


def test_patience_ends_a_run_and_the_best_weights_are_kept(tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=50, patience=2, learning_rate=0.0)
    folder = train("avst", small_avst(), recipe, small_data(), tmp_path, stages={})
    assert len(log(folder)) == 3
    about = json.loads((folder / "run.json").read_text())
    assert (about["best_epoch"], about["ended"]) == (0, "patience")


def hours_pass(monkeypatch, seconds):
    """Every look at the clock of the processor finds it so much later."""
    clock = itertools.count(0.0, seconds)
    monkeypatch.setattr(learner.time, "process_time", lambda: next(clock))


def test_cpu_time_ends_a_run_within_an_epoch_and_the_log_says_so(tmp_path, monkeypatch):
    hours_pass(monkeypatch, 30.0)
    recipe = dataclasses.replace(RECIPE, epochs=50, batch_clips=1, cpu_minutes=6.0)
    folder = train("avst", small_avst(), recipe, small_data(), tmp_path, stages={})
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert rows[0]["steps"] == 5
    assert "ended" not in rows[0]
    assert rows[-1]["steps"] < 5
    assert rows[-1]["ended"] == "cpu_minutes"
    assert 360 <= sum(row["cpu_seconds"] for row in rows) < 360 + 5 * 30
    assert all("validation_accuracy" in row for row in rows)
    assert json.loads((folder / "run.json").read_text())["ended"] == "cpu_minutes"


def test_a_run_that_goes_on_has_only_the_time_that_is_left(tmp_path, monkeypatch):
    recipe = dataclasses.replace(RECIPE, epochs=50, batch_clips=1, cpu_minutes=6.0)
    original, calls = learner.save_state, []

    def stops(*arguments):
        original(*arguments)
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    hours_pass(monkeypatch, 30.0)
    monkeypatch.setattr(learner, "save_state", stops)
    with pytest.raises(KeyboardInterrupt):
        train("avst", small_avst(), recipe, small_data(), tmp_path, stages={})
    folder = train("avst", small_avst(), recipe, small_data(), tmp_path, stages={})
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert 360 <= sum(row["cpu_seconds"] for row in rows) < 360 + 5 * 30


def test_the_schedule_goes_with_passes_or_with_cpu_time():
    recipe = Recipe(epochs=10, cpu_minutes=2.0)
    assert position(recipe, 3.0, 12.0) == 3.0
    assert position(recipe, 3.0, 60.0) == 5.0
    assert position(recipe, 3.0, 500.0) == 10.0
    assert position(Recipe(epochs=10), 3.0, 500.0) == 3.0


def test_a_time_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="cpu_minutes is a time above 0, got 0"):
        Recipe(cpu_minutes=0)
    check_time([Recipe(cpu_minutes=1), Recipe()], n_processes=1)
    with pytest.raises(ValueError, match="here 2 train together"):
        check_time([Recipe(), Recipe(cpu_minutes=1)], n_processes=2)


def test_a_counting_method_goes_the_same_way(tmp_path):
    data = small_data()
    folder = train("template_prior", None, None, data, tmp_path)
    loaded = load_checkpoint(folder)
    found = predict(loaded.model, make_batches(data.clips, data.train, {}))
    answers = {question.key: question.answer for question in data.train}
    assert np.mean([answers[p.key] == p.answer for p in found]) > 0.8


def test_predictions_carry_confidences_that_the_temperature_flattens(finished):
    data, loaded = small_data(), load_checkpoint(finished)
    sharp, flat = (
        predict(loaded.model, make_batches(data.clips, data.validation, data.streams), heat)
        for heat in (1.0, 5.0)
    )
    assert [p.key for p in sharp] == [q.key for q in data.validation]
    for one, other in zip(sharp, flat, strict=True):
        assert one.answer == other.answer
        assert 1.0 >= one.confidence >= one.runner_up_confidence
        assert one.confidence > other.confidence > 1 / 42


def test_the_learning_rate_rises_and_falls_as_the_recipe_says():
    step = Recipe(schedule="step", step_epochs=8, epochs=20)
    assert [rate_factor(step, e) for e in (0, 7.99, 8, 16)] == pytest.approx([1, 1, 0.1, 0.01])
    cosine = Recipe(warmup_epochs=2, epochs=10)
    assert [rate_factor(cosine, e) for e in (1, 2, 6, 10)] == pytest.approx([0.5, 1, 0.5, 0])


def test_short_clip_is_masked_not_repeated():
    batch = make_batch(STREAMS, n_clips=2, n_seconds=4, lengths=[4, 2])
    assert batch.seconds.tolist() == [[True] * 4, [True, True, False, False]]
    assert (batch.streams["visual_effnet"][1, 2:] == 0).all()
    assert batch.streams["visual_effnet"].dtype == torch.float32
    assert batch.clip_of.tolist() == [0, 0, 0, 1, 1, 1]
    assert batch.words.shape == (6, 14)


def test_negatives_are_seconds_of_other_clips_of_the_batch():
    batch = make_batch(STREAMS, n_clips=4, lengths=[4, 2, 3, 1], negatives=STREAMS)
    owners = {}
    for clip in range(4):
        for second in range(int(batch.seconds[clip].sum())):
            owners[float(batch.streams["audio_yamnet"][clip, second].sum())] = clip
    for name in STREAMS:
        assert batch.negatives[name].shape == batch.streams[name].shape
    rows = batch.negatives["audio_yamnet"].sum(-1)
    drawn = [[owners[float(value)] for value in row] for row in rows]
    assert all(clip not in row for clip, row in enumerate(drawn))
    assert make_batch(STREAMS, n_clips=1, negatives=STREAMS).negatives == {}


def test_every_clip_and_question_comes_once_in_a_seeded_order():
    data = small_data()

    def keys(seed):
        batches = make_batches(data.clips, data.train, data.streams, 2, np.random.default_rng(seed))
        return [batch.keys for batch in batches]

    flat = [key for group in keys(0) for key in group]
    assert sorted(flat) == sorted(question.key for question in data.train)
    assert keys(0) == keys(0) != keys(1)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 6), st.integers(1, 12))
def test_a_batch_of_evaluation_is_limited_in_clips_and_questions(asked, most_clips, most):
    clips = make_clips(len(asked), 1)
    every = make_questions(clips, max(asked))
    kept = [q for q in every if int(q.key.split("/")[-1]) % max(asked) < asked[int(q.clip[5:])]]
    with patch.object(batches, "MOST_QUESTIONS", most):
        found = list(make_batches(clips, kept, make_streams(clips, STREAMS[:1]), most_clips))
    assert [key for batch in found for key in batch.keys] == [q.key for q in kept]
    clip_of = {question.key: question.clip for question in kept}
    for batch, after in zip(found, [*found[1:], None], strict=True):
        n_clips = len(batch.seconds)
        assert n_clips <= most_clips
        assert len(batch.keys) <= most
        if after is not None:  # as full as it can be
            first = clip_of[after.keys[0]]
            n_next = min(most, sum(clip_of[key] == first for key in clip_of))
            again = first == clip_of[batch.keys[-1]]
            assert again or n_clips == most_clips or len(batch.keys) + n_next > most


def test_muting_silences_one_sense_only():
    batch = make_batch(STREAMS, mute=("audio",))
    assert (batch.streams["audio_yamnet"] == 0).all()
    assert (batch.streams["visual_effnet"] != 0).any()
    with pytest.raises(ValueError, match="mute is 'audio' or 'visual'"):
        Collation(mute=("sound",))


def test_missing_rows_raise():
    data = small_data()
    del data.streams["visual_effnet"]["clip-3"]
    with pytest.raises(FeatureError, match=r"'visual_effnet' rows for 1 of 5 clips .*clip-3"):
        next(make_batches(data.clips, data.train, data.streams))


def test_truth_of_rendered_clips_comes_with_the_batch():
    from musicavqa.training.batches import scene_truth

    class Reader:
        calls = 0

        def __call__(self, clip, n_seconds):
            self.calls += 1
            return {"activity": np.full((n_seconds, 22), float(clip.id[-1]), np.float32)}

    data, reader = small_data(), Reader()
    clips = [dataclasses.replace(clip, scene={"format": 1}) for clip in data.clips]
    batch = next(make_batches(clips, data.train, data.streams, 6, None, Collation(truth=reader)))
    assert batch.truth["activity"].shape == (5, 3, 22)
    assert batch.truth["activity"][:, 0, 0].tolist() == [1, 2, 3, 4, 5]
    plain = make_batches(data.clips, data.train, data.streams, 6, None, Collation(truth=reader))
    assert next(plain).truth == {}
    with pytest.raises(ValueError, match="has no scene"):
        scene_truth()(data.clips[0], 3)


def test_predictions_are_resumed_by_key(tmp_path):
    questions = make_questions(make_clips(2))
    given = [Prediction(question.key, "yes") for question in questions]
    path = runs.predictions_path(tmp_path, "test")
    assert runs.pending(path, questions) == questions
    runs.append_predictions(path, given[:2])
    path.write_text(path.read_text() + '{"key": "synth')  # what a kill may leave
    assert runs.pending(path, questions) == questions[2:]
    with pytest.raises(ValueError, match="no line of JSON"):
        runs.read_predictions(path, questions)
    runs.append_predictions(path, [])
    with pytest.raises(KeyMismatchError, match="4 predictions missing"):
        runs.read_predictions(path, questions)
    runs.append_predictions(path, reversed(given[2:]))
    assert runs.read_predictions(path, questions) == given
    runs.append_predictions(path, given[:1])
    with pytest.raises(KeyMismatchError, match="1 keys predicted more than once"):
        runs.pending(path, questions)


PREDICT = """
import sys, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fixtures import make_clips, make_questions
from musicavqa.records import Prediction
from musicavqa.training import runs
path, questions = Path(sys.argv[1]), make_questions(make_clips(10), per_clip=5)
warnings.simplefilter("always")
with runs.appending(path) as append:
    for question in runs.pending(path, questions):
        append([Prediction(question.key, "yes", text="x" * 3000)])
"""


def test_several_who_answer_into_one_file_wait_for_each_other(tmp_path):
    path = tmp_path / "predictions.test.jsonl"
    questions = make_questions(make_clips(10), per_clip=5)
    command = [sys.executable, "-c", PREDICT, str(path), str(Path(__file__).parents[1])]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert sorted(p.key for p in runs.load_predictions(path)) == sorted(q.key for q in questions)
    beside = {"predictions.test.sources.json"}  # what the answers were made from
    assert {other.name for other in tmp_path.iterdir()} - beside == {path.name}


def test_who_waits_for_another_process_says_so(tmp_path):
    path = tmp_path / "predictions.test.jsonl"

    def answer():
        with runs.appending(path) as append:
            append([Prediction("a", "yes")])

    with ThreadPoolExecutor(1) as pool, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with runs.appending(path):
            later = pool.submit(answer)
            while not caught:
                time.sleep(0.01)
            assert not path.exists()
        later.result()
    assert f"{path} is being written by process {os.getpid()}" in str(caught[0].message)
    assert len(runs.load_predictions(path)) == 1


def test_dropping_a_cut_line_never_leaves_less_than_the_whole_ones(tmp_path, monkeypatch):
    path = tmp_path / "predictions.test.jsonl"
    runs.append_predictions(path, [Prediction("a", "yes")])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "')
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("killed here")))
    with pytest.raises(OSError, match="killed here"):
        runs.append_predictions(path, [])
    assert path.read_bytes() == whole + b'{"key": "'


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_refused(value):
    logits = np.zeros((3, 42))
    logits[1, 5] = value
    with pytest.raises(ValueError, match=r"1 of 3 answers \(first: b\) are no numbers"):
        runs.to_predictions(["a", "b", "c"], logits)


def test_a_checkpoint_of_another_vocabulary_is_refused(finished, tmp_path, monkeypatch):
    from musicavqa.methods import registry

    monkeypatch.setattr(registry, "vocabulary", lambda: ("<pad>", "<unk>"))
    with pytest.raises(registry.CheckpointError, match="another list of vocabulary"):
        load_checkpoint(finished)


def test_recipes_fall_back_to_the_default():
    method = load_method("avst")
    assert method.recipe("nowhere") == method.recipe()
    assert method.recipe("music_avqa").schedule == "step"
    with pytest.raises(ValueError, match="schedule is"):
        Recipe(schedule="linear")


def test_questions_drawn_from_all_come_once_an_epoch_and_share_their_clips():
    data = small_data()
    collation = Collation(batch_questions=7)
    rng = np.random.default_rng(0)
    found = list(make_batches(data.clips, data.train, data.streams, 3, rng, collation))
    assert [len(batch.keys) for batch in found] == [7, 7, 6]
    keys = [key for batch in found for key in batch.keys]
    assert sorted(keys) == sorted(question.key for question in data.train)
    clip_of = {question.key: question.clip for question in data.train}
    rows = {clip.id: float(data.streams["audio_yamnet"][clip.id].sum()) for clip in data.clips}
    for batch in found:
        asked = [clip_of[key] for key in batch.keys]
        assert len(batch.seconds) == len(set(asked))
        sums = batch.streams["audio_yamnet"].sum((1, 2))[batch.clip_of]
        assert sums.tolist() == pytest.approx([rows[clip] for clip in asked], abs=0.5)


@pytest.mark.parametrize("size", [2, 3, 9])
def test_the_parts_of_a_batch_are_all_of_it(size):
    data = small_data()

    def keys(part):
        rng = np.random.default_rng(3)
        collation = Collation(batch_questions=7, part=part)
        batches = make_batches(data.clips, data.train, data.streams, 3, rng, collation)
        return [batch.keys for batch in batches]

    whole, parts = keys((0, 1)), [keys((rank, size)) for rank in range(size)]
    for place, group in enumerate(whole):
        assert sorted(key for part in parts for key in part[place]) == sorted(group)


@pytest.mark.parametrize(("ties", "epoch"), [("first", 0), ("last", 3)])
def test_of_equally_good_epochs_the_one_is_kept_that_the_recipe_says(tmp_path, ties, epoch):
    recipe = dataclasses.replace(RECIPE, learning_rate=0.0, ties=ties)
    folder = train("avst", small_avst(), recipe, small_data(), tmp_path, stages={})
    assert json.loads((folder / "run.json").read_text())["best_epoch"] == epoch


def test_training_tells_its_steps_of_all_epochs(tmp_path):
    told = []
    train_small(tmp_path, stages={}, tell=lambda *state: told.append(state))
    steps = [done for done, _, _ in told]
    assert steps == list(range(1, len(steps) + 1))
    assert {total for _, total, _ in told} == {steps[-1]}
    assert told[-1][2].startswith(f"epoch {RECIPE.epochs} of at most {RECIPE.epochs}, best valid")
