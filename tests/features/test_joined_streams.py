"""Several streams read as one, and methods that read music streams beside their sound."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from fixtures import SHAPES, load_method, make_batch, small_options
from musicavqa import media
from musicavqa.bandstand.exports import write_questions
from musicavqa.bandstand.scene import sample_scene
from musicavqa.features.encoders import load_encoder, load_spec
from musicavqa.features.encoders.side_by_side import join_rows
from musicavqa.features.joined import JoinedStore, with_streams
from musicavqa.features.store import Description, Writer
from musicavqa.features.streams import open_streams
from musicavqa.records import Question

ADDED = ("music_onsets", "music_chroma")
METHODS = ("att_blstm", "avst", "tspm")
"""Three whose input is a list of vectors per second."""


def write_store(root, name, clips, n_seconds=4):
    """Normal numbers in a store of our encoder of this name."""
    spec = load_spec(name)
    about = Description(
        name, spec.hash8, spec.shape, spec.rate_hz, spec.dtype, every_s=spec.every_s
    )
    rng = np.random.default_rng(len(name))
    writer = Writer(root / about.folder_name, about)
    for clip in clips:
        rows = rng.standard_normal((round(n_seconds * spec.rate_hz), *spec.shape))
        writer.add(clip, rows.astype(spec.dtype))
    writer.close({})


def write_split(folder, n_clips):
    """Clips without content, one question each; their ids."""
    (folder / "clips").mkdir(parents=True)
    scenes = [
        {**sample_scene("test", i, duration_s=4.0), "id": f"{folder.name}-{i}"}
        for i in range(n_clips)
    ]
    asked = ("Is there a cello sound?", 3, ("cello",), "A-Counting", "yes", "rendered")
    for scene in scenes:
        (folder / "clips" / f"{scene['id']}.mp4").touch()
    (folder / "scenes.jsonl").write_text("".join(json.dumps(s) + "\n" for s in scenes))
    questions = [
        Question(f"bandstand/{folder.name}/{i}", scene["id"], *asked)
        for i, scene in enumerate(scenes)
    ]
    write_questions(folder / "questions.jsonl", questions)
    return [scene["id"] for scene in scenes]


@pytest.fixture
def stores(tmp_path):
    for name in ("audio_yamnet", *ADDED):
        write_store(tmp_path / "bandstand", name, ["one", "two"])
    return open_streams(tmp_path, ["audio_yamnet+music_onsets+music_chroma", "music_chroma"])


def test_a_joined_store_has_the_rows_of_its_parts_side_by_side(stores):
    joined, chroma = stores["audio_yamnet+music_onsets+music_chroma"], stores["music_chroma"]
    assert isinstance(joined, JoinedStore)
    rows = joined["one"]
    assert rows.shape == (4, 1545 + 2 + 37)
    assert joined.description.by_second
    by_second = chroma["one"].astype(np.float32).reshape(4, 10, 37).mean(1)
    np.testing.assert_allclose(rows[:, -37:], by_second, atol=1e-6)
    assert "one" in joined
    assert "three" not in joined
    assert joined.n_rows("two") == 4


def test_a_joined_store_is_known_by_its_parts(stores, tmp_path):
    joined = stores["audio_yamnet+music_onsets+music_chroma"]
    parts = [store.folder.name for store in joined.parts.values()]
    assert joined.identity(["one"]) == "+".join(parts)
    assert joined.fingerprint("one") != joined.fingerprint("two")
    without = JoinedStore("x", {n: s for n, s in joined.parts.items() if n != "music_onsets"})
    assert without.description.hash8 != joined.description.hash8


def test_a_part_that_is_not_there_is_named(tmp_path):
    write_store(tmp_path / "bandstand", "audio_yamnet", ["one"])
    with pytest.raises(FileNotFoundError, match="has no rows of music_chroma"):
        open_streams(tmp_path, ["audio_yamnet+music_chroma"])


def test_the_shortest_part_ends_the_joined_rows():
    specs = {name: load_spec(name) for name in ADDED}
    rows = {"music_onsets": np.ones((300, 2)), "music_chroma": np.ones((50, 37))}
    assert join_rows(rows, specs).shape == (3, 39)


def test_an_encoder_of_joined_streams_makes_what_its_parts_make(small_video):
    encoder = load_encoder("music_onsets+music_chroma")
    assert encoder.spec.shape == (39,)
    read = media.read(small_video, encoder.spec.reads)
    rows = encoder.encode(read)
    assert rows.shape == (4, 39)
    chroma = load_encoder("music_chroma").encode(read).astype(np.float32)
    np.testing.assert_allclose(rows[:, 2:], chroma.reshape(4, 10, 37).mean(1), atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_reads_added_streams_with_its_sound(name):
    method = load_method(name)
    options = dataclasses.replace(
        small_options(method), **with_streams(small_options(method), ADDED)
    )
    assert options.audio_stream == f"{small_options(method).audio_stream}+music_onsets+music_chroma"
    torch.manual_seed(0)
    model = method.build(options).eval()
    plain = tuple(s for s in method.streams(options) if s in SHAPES)
    batch = make_batch(plain)
    batch.streams[options.audio_stream] = torch.randn(4, 4, options.audio_width)
    before = model(batch).logits
    batch.streams[options.audio_stream][..., -37:] += 1.0
    assert not torch.allclose(model(batch).logits, before)


@pytest.mark.parametrize(
    ("method", "added", "message"),
    [
        ("avsiam", ADDED, "it has no audio_stream with an audio_width"),
        (
            "avst on logmel",
            ADDED,
            "its audio_logmel is (2, 50, 64) each second, and not one vector",
        ),
        ("question_gru", ADDED, "it has no audio_stream"),
        ("avst", ("audio_musicnn",), "name other music_* streams"),
        ("avst", ("music_onsett",), "Did you mean music_onsets"),
    ],
)
def test_what_cannot_be_added_is_refused(method, added, message):
    name, _, other = method.partition(" on ")
    changes = {"audio_stream": f"audio_{other}"} if other else {}
    with pytest.raises(ValueError, match=r"added|Did you mean") as told:
        with_streams(load_method(name).options(changes), added)
    assert message in str(told.value)


def test_train_and_predict_with_added_streams(command_line, tmp_path):
    data, features, runs = (tmp_path / name for name in ("data", "features", "runs"))
    clips = [clip for split in ("train", "val") for clip in write_split(data / split, 2)]
    for name in ("audio_yamnet", "visual_effnet", *ADDED):
        write_store(features / "bandstand", name, clips)
    stores = ("--data", data, "--features", features)
    arguments = ("--out", runs, "--epochs", 1, "--add-streams", ",".join(ADDED))
    code, out, err = command_line("train", "att_blstm", *stores, *arguments)
    assert code == 0, err
    about = json.loads((tmp_path / out.strip() / "run.json").read_text())
    assert about["options"]["audio_width"] == 1545 + 39
    assert "music_onsets" in str(about["data"]["identity"]["streams"])
    code, _, err = command_line("predict", out.strip(), *stores, "--split", "val")
    assert code == 0, err
    code, _, err = command_line("train", "avsiam", *stores, *arguments)
    assert code == 1
    assert "avsiam takes no added streams" in err
