"""Damaged stores, runs and caches: every verb works or says one line, never a traceback.

Each seed damages one file of a small world as disks, cut copies and editors do, and runs a verb
that reads it.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

from fixtures import small_options
from musicavqa import cli, workflow
from musicavqa.bandstand.exports import write_questions
from musicavqa.bandstand.scene import sample_scene
from musicavqa.datasets import load_dataset
from musicavqa.features.encoders import load_spec, weights
from musicavqa.features.store import Description, Writer
from musicavqa.features.streams import open_streams
from musicavqa.methods.card import Recipe
from musicavqa.records import Question
from musicavqa.training import loop

STREAMS = ("audio_yamnet", "visual_effnet")
N_SEEDS = 600
N_QUICK = 40


def write_split(folder: Path, n_clips: int) -> list[str]:
    (folder / "clips").mkdir(parents=True)
    scenes = [sample_scene("test", index, duration_s=4.0) for index in range(n_clips)]
    asked = ("Is there a cello sound?", 3, ("cello",), "A-Counting", "yes", "rendered")
    questions = []
    for scene in scenes:
        (folder / "clips" / f"{scene['id']}.mp4").touch()
        for _ in range(2):
            key = f"bandstand/{folder.name}/{len(questions)}"
            questions.append(Question(key, scene["id"], *asked))
    (folder / "scenes.jsonl").write_text("".join(json.dumps(s) + "\n" for s in scenes))
    write_questions(folder / "questions.jsonl", questions)
    return [scene["id"] for scene in scenes]


def write_features(folder: Path, clips: list[str]) -> None:
    rng = np.random.default_rng(0)
    for name in STREAMS:
        spec = load_spec(name)
        facts = Description(name, spec.hash8, tuple(spec.shape))
        writer = Writer(folder / "bandstand" / facts.folder_name, facts, shard_clips=2)
        for clip in clips:
            writer.add(clip, rng.standard_normal((4, *spec.shape)).astype(np.float16))
        writer.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """data/, features/, runs/ with a finished run of gru and a killed one, and a cache."""
    root = tmp_path_factory.mktemp("world")
    clips = write_split(root / "data" / "test", 4)
    write_split(root / "data" / "train", 4)
    write_features(root / "features", clips)
    known, questions = load_dataset("bandstand", root / "data", "test")
    streams = open_streams(root / "features", STREAMS)
    facts = loop.Data("bandstand", known, questions[:4], questions[4:], streams)
    options, recipe = small_options("gru"), Recipe(epochs=1, batch_clips=2)
    run = loop.train("gru", options, recipe, facts, root / "made")
    run.rename(root / "run")
    workflow.predict(root / "run", root / "data", root / "features")
    shutil.copy(root / "run" / "predictions.test.jsonl", root / "alone.jsonl")
    places = (root / "data", root / "features", root / "runs")
    killed = workflow.train("question_gru", *places, epochs=1, splits=("train", "test"))
    (killed / "run.json").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSICAVQA_CACHE", str(root / "cache"))
        (root / "x.pth").write_bytes(b"\x80\x02weights")
        weights.add("resnet18", root / "x.pth")
    return root


def targets(root: Path) -> list[tuple[str, tuple[object, ...]]]:
    """Files to damage, as a pattern, and the verb that reads them."""
    run, data, features = root / "run", ("--data", root / "data"), ("--features", root / "features")
    stored = ("--out", root / "features")
    train = ("train", "question_gru", *data, *features, "--out", root / "runs", "--epochs", "1")
    return [
        ("features/*/*/*.safetensors", ("predict", root / "again", *data, *features)),
        ("features/*/*/manifest.json", ("predict", root / "again", *data, *features)),
        ("again/checkpoint.safetensors", ("predict", root / "again", *data, *features)),
        ("again/run.json", ("predict", root / "again", *data, *features)),
        ("run/predictions.test.jsonl", ("predict", run, *data, *features)),
        ("run/predictions.test.jsonl", ("evaluate", run / "predictions.test.jsonl", *data)),
        ("run/run.json", ("compare", run, root / "alone.jsonl", *data)),
        ("run/run.json", ("robustness", run, *data, *features)),
        ("runs/*/*/*/state.safetensors", (*train, "--validation", "test")),
        ("runs/*/*/*/checkpoint.safetensors", (*train, "--validation", "test")),
        ("features/*/*/*", ("features", "verify", "bandstand", *data, *stored)),
        ("features/*/*/manifest.json", ("features", "gc", *stored)),
        ("features/*/*/*", ("robustness", run, *data, *features)),
        ("cache/weights/*/*", ("doctor", "resnet18")),
        ("data/test/*.jsonl", ("evaluate", run / "predictions.test.jsonl", *data)),
    ]


def damaged(rng: random.Random, path: Path) -> bytes:
    """The content of a file after one of the things that happen to files."""
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content) + 1)
    kind = rng.choice(["cut", "empty", "bits", "block", "twice", "text", "header", "other"])
    if kind == "cut":
        return bytes(content[:place])
    if kind == "bits":
        reach = min(len(content), rng.choice([64, 2000, len(content)]))
        for _ in range(rng.randint(1, 30)):
            content[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    elif kind == "block":
        content[place : place + rng.randint(1, 4096)] = bytes(rng.randint(0, 4096))
    elif kind == "twice":
        content[place:place] = content[: rng.randint(1, 5000)]
    elif kind == "text":
        content[:] = rng.choice(
            [b"{}", b"[]", b"null", b"<html></html>", b"\xff" * 64, b"[" * 9999]
        )
    elif kind == "header" and path.suffix == ".safetensors":
        return with_header(rng, bytes(content))
    elif kind in ("header", "other") and path.suffix in (".json", ".jsonl"):
        return with_values(rng, bytes(content))
    return bytes(content) if kind != "empty" else b""


ODD = [
    None,
    True,
    -1,
    0,
    7,
    2**40,
    2**70,
    1e308,
    float("nan"),
    "",
    "F32",
    "I64",
    "../x",
    [],
    {},
    [-1],
]


def changed(rng: random.Random, value: object) -> object:
    """A JSON value with something in it that does not belong there."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(list(value))
        rest = {key: item for key, item in value.items() if key != name}
        return rest if rng.random() < 0.2 else {**rest, name: changed(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return [*value[:place], changed(rng, value[place]), *value[place + 1 :]]
    if isinstance(value, str) and value[:1] in ("[", "{") and rng.random() < 0.7:
        return json.dumps(changed(rng, json.loads(value)))  # JSON within JSON
    return rng.choice(ODD)


def with_values(rng: random.Random, content: bytes) -> bytes:
    lines = content.decode().splitlines() if content.count(b"\n{") else [content.decode()]
    place = rng.randrange(len(lines))
    lines[place] = json.dumps(changed(rng, json.loads(lines[place])))
    return "\n".join(lines).encode() + b"\n"


def with_header(rng: random.Random, content: bytes) -> bytes:
    n = int.from_bytes(content[:8], "little")
    header = json.dumps(changed(rng, json.loads(content[8 : 8 + n]))).encode()
    return len(header).to_bytes(8, "little") + header + content[8 + n :]


def told(arguments: tuple[object, ...]) -> tuple[int, str]:
    """Exit code and stderr of a verb; what is no exit is a traceback."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["musicavqa", *map(str, arguments)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as done:
                return int(done.code or 0), err.getvalue()
            except BaseException:
                return -1, traceback.format_exc()
    return 0, err.getvalue()


def check(world: Path, root: Path, seed: int) -> str | None:
    """What was wrong with what a verb said about a damaged file."""
    rng = random.Random(seed)
    pattern, arguments = targets(root)[seed % len(targets(root))]
    shutil.copytree(world, root, dirs_exist_ok=True)
    (root / "again").mkdir()
    for name in ("run.json", "checkpoint.safetensors"):
        shutil.copy(root / "run" / name, root / "again" / name)
    path = rng.choice(sorted(path for path in root.glob(pattern) if path.is_file()))
    path.write_bytes(damaged(rng, path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSICAVQA_CACHE", str(root / "cache"))
        code, said = told(arguments)
    lines = [line for line in said.splitlines() if not line.startswith("warning: ")]
    where = f"seed {seed}: {path.relative_to(root)}, {' '.join(map(str, arguments[:2]))}"
    if code not in (0, 1) or "Traceback" in said:
        return f"{where}\n{said}"
    reports = arguments[0] == "doctor" or arguments[1] == "verify"  # faults are their result
    if code == 1 and not reports and (len(lines) != 1 or len(lines[0]) > 2000):
        return f"{where}\nnot one line: {said}"
    return None


def wrong(world: Path, folder: Path, seeds: range) -> list[str]:
    found = []
    for seed in seeds:
        if problem := check(world, folder / str(seed), seed):
            found.append(problem)
        shutil.rmtree(folder / str(seed))
    return found


def test_each_verb_works_on_what_is_whole(world, tmp_path):
    shutil.copytree(world, tmp_path / "w")
    shutil.copytree(tmp_path / "w" / "run", tmp_path / "w" / "again")
    for _, arguments in targets(tmp_path / "w"):
        code, said = told(arguments)
        cannot_decode = "verify" in arguments and "is stored but cannot be read" in said
        assert code == 0 or cannot_decode, (arguments, said)


def test_damage_is_told_in_one_line(world, tmp_path):
    found = wrong(world, tmp_path, range(N_QUICK))
    assert not found, "\n\n".join(found)


@pytest.mark.slow
def test_much_damage_is_told_in_one_line(world, tmp_path):
    found = wrong(world, tmp_path, range(N_QUICK, N_QUICK + N_SEEDS))
    assert not found, f"{len(found)} of {N_SEEDS}\n\n" + "\n\n".join(found[:20])
