"""What has changed since a run was trained or answers were made is named, and never used unseen."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fixtures import make_clips, make_questions, make_streams
from musicavqa.bandstand.exports import write_questions
from musicavqa.bandstand.scene import sample_scene
from musicavqa.features.store import IMPORTED, Description, Store, Writer
from musicavqa.features.store.shards import index
from musicavqa.methods import question_gru
from musicavqa.methods.card import Recipe
from musicavqa.records import Question
from musicavqa.training import loop as training
from musicavqa.training.settings import code_of, load_plugins

SHAPE = (2, 50, 64)
TEXT = "Is there a cello sound?"


def write_split(root, split, n_clips):
    """Clips without content, one question each; a clip's id is told by its split and place."""
    folder = root / split
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    scenes = [{**sample_scene("test", i, duration_s=3.0), "id": f"{split}-{i}"}
              for i in range(n_clips)]  # fmt: skip
    for scene in scenes:
        (folder / "clips" / f"{scene['id']}.mp4").touch()
    lines = "".join(json.dumps(scene) + "\n" for scene in scenes)
    (folder / "scenes.jsonl").write_text(lines)
    write_questions(folder / "questions.jsonl", [asked(split, i) for i in range(n_clips)])


def asked(split, place, text=TEXT):
    key, clip = f"bandstand/{split}/{place}", f"{split}-{place}"
    answer = "yes" if place % 2 else "no"
    return Question(key, clip, text, 3, ("cello",), "A-Counting", answer, "rendered")


def bring_in(features, clips, seed, source="vggish"):
    """An imported store of audio_logmel, made anew."""
    facts = Description("audio_logmel", IMPORTED, SHAPE, imported_from=source)
    shutil.rmtree(features / "bandstand" / facts.folder_name, ignore_errors=True)
    add(features, clips, seed, facts)


def add(features, clips, seed, facts=None):
    facts = facts or Description("audio_logmel", IMPORTED, SHAPE, imported_from="vggish")
    writer = Writer(features / "bandstand" / facts.folder_name, facts)
    rng = np.random.default_rng(seed)
    for clip in clips:
        writer.add(clip, rng.standard_normal((3, *SHAPE)).astype(np.float16))
    writer.close()
    return writer.folder


CLIPS = {"train": ["train-0", "train-1", "train-2"], "val": ["val-0"], "test": ["test-0", "test-1"]}
TRAINED = [*CLIPS["train"], *CLIPS["val"]]


@pytest.fixture
def world(tmp_path, command_line):
    """Folder, the arguments of verbs, and a run of fcnlstm on imported features, with answers."""
    for split, clips in CLIPS.items():
        write_split(tmp_path / "data", split, len(clips))
    bring_in(tmp_path / "features", [*TRAINED, *CLIPS["test"]], seed=0)
    stores = ("--data", tmp_path / "data", "--features", tmp_path / "features")
    train = ("train", "fcnlstm", *stores, "--out", tmp_path / "runs", "--epochs", 1)
    code, out, err = command_line(*train)
    assert code == 0, err
    run = out.strip()
    assert command_line("predict", run, *stores)[0] == 0
    return tmp_path, stores, train, run


def test_features_imported_anew_under_the_same_name_are_another_run(world, command_line):
    root, stores, train, run = world
    assert command_line(*train)[1].strip() == run
    bring_in(root / "features", [*TRAINED, *CLIPS["test"]], seed=1)
    code, out, err = command_line("predict", run, *stores)
    assert (code, out) == (1, "")
    assert f"{run} was trained on the features audio_logmel-imported from vggish (" in err
    assert len(err.strip().splitlines()) == 1
    code, out, _ = command_line("robustness", run, *stores)
    assert (code, out) == (1, "")
    again = command_line(*train)[1].strip()
    assert again != run
    assert command_line("predict", again, *stores)[0] == 0


def test_answers_made_from_features_that_changed_since_are_refused_by_name(world, command_line):
    root, stores, _, run = world
    store = Store.open(root / "features" / "bandstand" / "audio_logmel-imported")
    kept = {clip: np.array(store[clip]) for clip in TRAINED}
    bring_in(root / "features", [], seed=0)
    facts = store.description
    writer = Writer(store.folder, facts)
    for clip, rows in kept.items():
        writer.add(clip, rows)
    writer.close()
    add(root / "features", CLIPS["test"], seed=5)  # only what is tested on is other
    code, _, err = command_line("predict", run, *stores)
    assert code == 1
    assert "audio_logmel of test-0" in err
    assert "Delete it and predict again" in err


def test_questions_that_changed_under_their_keys_are_not_scored(world, command_line):
    root, stores, _, run = world
    assert command_line("evaluate", run, *stores[:2])[0] == 0
    other = [asked("test", 0, "Is there a cello in the entire video?"), asked("test", 1)]
    write_questions(root / "data" / "test" / "questions.jsonl", other)
    for verb in (("evaluate", run, *stores[:2]), ("predict", run, *stores)):
        code, out, err = command_line(*verb)
        assert (code, out) == (1, "")
        assert "was made from what has changed since: bandstand/test/0." in err


def test_a_set_that_has_grown_is_answered_on(world, command_line):
    root, stores, _, run = world
    write_split(root / "data", "test", 3)
    add(root / "features", ["test-2"], seed=9)
    code, out, _ = command_line("predict", run, *stores)
    assert code == 0
    assert len(Path(out.strip()).read_text().splitlines()) == 3


def test_answers_of_other_weights_are_refused(world, command_line):
    _, stores, _, run = world
    weights = Path(run) / "checkpoint.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    code, _, err = command_line("predict", run, *stores)
    assert (code, "the weights" in err) == (1, True)


def test_our_own_features_of_another_encoder_version_are_refused(world, command_line, monkeypatch):
    root, stores, _, run = world
    about = json.loads((root / run / "run.json").read_text())
    about["data"]["identity"]["streams"]["audio_logmel"] = "audio_logmel-01234567"
    (root / run / "run.json").write_text(json.dumps(about))
    code, _, err = command_line("predict", run, *stores)
    assert (code, "trained on the features audio_logmel-01234567" in err) == (1, True)


def test_imported_rows_are_known_by_their_content_whatever_shard_they_lie_in(tmp_path):
    one = Store.open(add(tmp_path / "a", ["x", "y"], seed=0))
    facts = one.description
    writer = Writer(tmp_path / "b", facts, shard_clips=1)
    for clip in ("y", "x"):
        writer.add(clip, one[clip])
    writer.add("z", one["x"])
    writer.close()
    other = Store.open(tmp_path / "b")
    assert other.identity(["x", "y"]).replace("b from", "audio_logmel-imported from") == (
        one.identity(["y", "x", "x"])
    )
    assert other.identity(["x"]) != other.identity(["z"])
    noted = index(other.folder)["x"].sha256
    other.entries["x"] = index(other.folder)["x"].__class__(**{
        **vars(other.entries["x"]), "sha256": None
    })  # fmt: skip
    assert other.fingerprint("x") == noted == one.fingerprint("x")


@pytest.fixture
def own(tmp_path):
    """A method file of one's own that imports from beside it."""
    text = inspect.getsource(question_gru)
    text = text.replace("\nfrom torch", "\nimport part_of_mine\nfrom torch", 1)
    assert "part_of_mine" in text
    (tmp_path / "mine.py").write_text(text)
    (tmp_path / "part_of_mine.py").write_text("FACTOR = 1\n")
    return tmp_path / "mine.py"


def train_own(method, plugins=None):
    clips = make_clips(3, 2)
    questions = make_questions(clips, 2)
    data = training.Data("synthetic", clips, questions[:4], questions[4:], make_streams(clips, ()))
    recipe = Recipe(epochs=1, batch_clips=2)
    runs = method.parent / "runs"
    return training.train(method, None, recipe, data, runs, plugins=plugins)


@pytest.mark.parametrize("changed", ["mine.py", "part_of_mine.py"])
def test_a_method_file_that_was_edited_is_trained_anew(own, changed):
    first = train_own(own)
    assert train_own(own) == first
    with (own.parent / changed).open("a") as file:
        file.write("\n# another thought\n")
    second = train_own(own)
    assert second != first
    codes = [json.loads((run / "run.json").read_text())["code"] for run in (first, second)]
    assert codes[0].keys() == codes[1].keys() == {"mine"}
    assert codes[0] != codes[1]


def test_a_plugin_file_that_was_edited_makes_another_run(own):
    from musicavqa.methods.plugins import ogm

    plugin = own.parent / "push.py"
    plugin.write_text(inspect.getsource(ogm))
    kept = own.parent / "mine.py"
    marks = []
    for text in ("", "\n# changed\n"):
        with plugin.open("a") as file:
            file.write(text)
        method = training.load_method(kept)
        added = load_plugins({str(plugin): None}, method)
        marks.append(code_of(method, added))
    assert marks[0]["push"] != marks[1]["push"]
    assert marks[0]["mine"] == marks[1]["mine"]


def test_shared_layers_are_part_of_the_code_of_our_own_methods(monkeypatch, tmp_path):
    from musicavqa.methods import layers
    from musicavqa.methods.registry import load_method

    before = load_method("mcan").code
    copy = tmp_path / "layers"
    shutil.copytree(layers.__path__[0], copy)
    monkeypatch.setattr(layers, "__file__", str(copy / "__init__.py"))
    assert load_method("mcan").code == before
    (copy / "words.py").write_text("# changed")
    assert load_method("mcan").code != before
