"""The store keeps what it is given, and extraction survives being killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa.encoders.spec import Spec, n_seconds
from musicavqa.extraction import encode_media, extract
from musicavqa.media import FRAMES, SOUND, Media, read
from musicavqa.records import Clip
from musicavqa.store import Description, FeatureError, Store, Writer

DESCRIPTION = Description(encoder="fake", hash8="01234567", shape=(3,))


def rows(seed: int, n: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def fill(folder: Path, ids: list[str], **limits: int) -> Path:
    writer = Writer(folder, DESCRIPTION, **limits)
    for index, clip_id in enumerate(ids):
        if clip_id not in writer.done():
            writer.add(clip_id, rows(index, 2 + index % 3))
    writer.close()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_round_trip_keeps_ids_lengths_and_numbers(tmp_path):
    ids = [f"clip {i:02}" for i in range(10)] + ["ünï/cödé"]
    store = Store.open(fill(tmp_path / "set" / "fake", ids, shard_clips=4))
    assert store.ids() == sorted(ids)
    assert len(list(store.folder.glob("*.safetensors"))) == 3
    for index, clip_id in enumerate(ids):
        assert store[clip_id].dtype == np.float16
        assert np.array_equal(store[clip_id], rows(index, 2 + index % 3).astype(np.float16))
    assert "clip 03" in store
    assert "clip 99" not in store


def test_shards_also_end_by_size(tmp_path):
    folder = fill(tmp_path, [str(i) for i in range(6)], shard_bytes=30)
    assert len(list(folder.glob("*.safetensors"))) > 2


def test_writing_twice_gives_equal_files(tmp_path):
    ids = [str(i) for i in range(9)]
    first = contents(fill(tmp_path / "a", ids, shard_clips=4))
    assert first == contents(fill(tmp_path / "b", ids, shard_clips=4))
    fill(tmp_path / "c", ids[:4], shard_clips=4)
    assert first == contents(fill(tmp_path / "c", ids, shard_clips=4))


def test_what_waits_is_not_done_until_its_shard_is_written(tmp_path):
    writer = Writer(tmp_path, DESCRIPTION, shard_clips=2)
    writer.add("a", rows(0))
    assert writer.done() == set()
    writer.add("b", rows(1))
    assert writer.done() == {"a", "b"}
    with pytest.raises(FeatureError, match="no manifest"):
        Store.open(tmp_path)


def test_missing_clips_are_counted_and_the_first_is_named(tmp_path):
    folder = tmp_path / "music_avqa" / "fake-01234567"
    writer = Writer(folder, DESCRIPTION)
    writer.add("a", rows(0))
    writer.close({"c": "c.mp4 has no sound."})
    store = Store.open(folder)
    with pytest.raises(
        FeatureError, match=r"'fake' rows for 2 of 3 clips are missing \(first: b\)"
    ):
        store.require(["a", "b", "c"])
    with pytest.raises(
        FeatureError, match=r"c\.mp4 has no sound.*features music_avqa --encoder fake"
    ):
        store["c"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 2), np.float32), r"holds \(T, 3\)"),
        (np.zeros(3, np.float32), r"holds \(T, 3\)"),
        (np.zeros((4, 3), np.int64), "int64"),
        (np.full((4, 3), 1e6, np.float32), "float16 cannot hold"),
        (np.full((4, 3), np.nan, np.float32), "float16 cannot hold"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, array, message):
    with pytest.raises(FeatureError, match=message):
        Writer(tmp_path, DESCRIPTION).add("a", array)


def test_unknown_types_double_clips_and_other_stores_are_refused(tmp_path):
    with pytest.raises(ValueError, match="complex64"):
        Description(encoder="fake", hash8="0", shape=(3,), dtype="complex64")
    fill(tmp_path, ["a"])
    with pytest.raises(FeatureError, match="append-only"):
        Writer(tmp_path, DESCRIPTION).add("a", rows(0))
    with pytest.raises(FeatureError, match="shape"):
        Writer(tmp_path, Description(encoder="fake", hash8="01234567", shape=(4,)))


def test_unknown_format_is_refused(tmp_path):
    path = fill(tmp_path, ["a"]) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(FeatureError, match="format 99"):
        Store.open(tmp_path)


def _first(store: Store) -> np.ndarray:
    return store["0"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_store_is_read_in_other_processes(tmp_path, method):
    store = Store.open(fill(tmp_path, ["0", "1"]))
    here = store["0"]
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert np.array_equal(pool.apply(_first, (store,)), here)
    assert np.array_equal(pickle.loads(pickle.dumps(store))["0"], here)


LOUDNESS = Spec(name="audio_fake", stream="audio_fake", shape=(2,), reads=(SOUND,))
BRIGHTNESS = Spec(name="visual_fake", stream="visual_fake", shape=(3,), reads=(FRAMES,))


@dataclass
class Loudness:
    """Mean square of each second; `pause_s` makes it slow enough to be killed."""

    pause_s: float = 0.0
    spec: Spec = LOUDNESS

    def encode(self, media: Media) -> np.ndarray:
        time.sleep(self.pause_s)
        out = np.zeros((n_seconds(media.duration_s), 2), np.float16)
        waveform, rate_hz = media[SOUND], SOUND.rate_hz
        if waveform is not None:
            for second in range(len(out)):
                part = waveform[:, second * rate_hz : (second + 1) * rate_hz]
                out[second] = (part**2).mean(1)
        return out


@dataclass
class Brightness:
    """Mean colour of each second."""

    spec: Spec = BRIGHTNESS

    def encode(self, media: Media) -> np.ndarray:
        return media[FRAMES].mean((1, 2)).astype(np.float16)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """40 clips of 2 s, so that jobs hold two clips each."""
    folder, made = tmp_path_factory.mktemp("clips"), []
    for index in range(40):
        frames = grey_frames(40, 32, 32)[index // 2 :][:20]
        path = write_media(folder / f"{index:03}.mp4", frames, wave=sine(200 + index, 2.0))
        made.append(Clip(path.stem, path, 2.0))
    return made


def test_two_runs_and_any_number_of_workers_give_equal_files(tmp_path, clips):
    encoders = [Loudness(), Brightness()]
    report = extract(clips, encoders, tmp_path / "a", "set")
    assert (report.n_written, report.n_present, report.skipped, report.notes) == (80, 0, [], [])
    extract(clips, encoders, tmp_path / "b", "set", workers=2)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    again = extract(clips, encoders, tmp_path / "a", "set")
    assert (again.n_written, again.n_present) == (0, 80)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    store = Store.open(report.folders["visual_fake"])
    assert store.ids() == [clip.id for clip in clips]
    one = encode_media(read(clips[7].path, [FRAMES, SOUND]), encoders)
    assert np.array_equal(store[clips[7].id], one["visual_fake"])


def test_an_encoder_added_later_fills_its_own_store_only(tmp_path, clips):
    first = extract(clips[:3], [Loudness()], tmp_path / "a", "set")
    before = contents(first.folders["audio_fake"])
    both = extract(clips[:3], [Loudness(), Brightness()], tmp_path / "a", "set")
    assert (both.n_written, both.n_present) == (3, 3)
    assert contents(first.folders["audio_fake"]) == before


def test_broken_clip_is_skipped_with_its_reason_and_taken_once_mended(tmp_path, clips):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(clips[0].path.read_bytes()[:300])
    some = [*clips[:2], Clip("broken", broken, 2.0), Clip("unmade", None, 2.0)]
    report = extract(some, [Loudness()], tmp_path, "set")
    assert [note.clip for note in report.skipped] == ["broken", "unmade"]
    assert "moov" in report.skipped[0].text
    store = Store.open(report.folders["audio_fake"])
    with pytest.raises(FeatureError, match="moov"):
        store["broken"]
    broken.write_bytes(clips[0].path.read_bytes())
    report = extract(some, [Loudness()], tmp_path, "set")
    assert [note.clip for note in report.skipped] == ["unmade"]
    store = Store.open(report.folders["audio_fake"])
    assert np.array_equal(store["broken"], store[clips[0].id])
    assert list(store.manifest["skipped"]) == ["unmade"]


def test_silent_video_gives_zeros_and_is_noted(tmp_path):
    silent = Clip("silent", write_media(tmp_path / "silent.mp4", grey_frames(20)), 2.0)
    report = extract([silent], [Loudness(), Brightness()], tmp_path, "set")
    assert not Store.open(report.folders["audio_fake"])["silent"].any()
    assert [note.text for note in report.notes] == ["no sound: audio_fake rows are zeros"]


def test_double_clips_and_encoders_are_refused(tmp_path, clips):
    with pytest.raises(ValueError, match="listed twice"):
        extract([clips[0], clips[0]], [Loudness()], tmp_path, "set")
    with pytest.raises(ValueError, match="named twice"):
        extract(clips, [Loudness(), Loudness()], tmp_path, "set")


SLOW_RUN = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_store import Brightness, Loudness
from musicavqa.extraction import extract
from musicavqa.records import Clip

if __name__ == "__main__":
    clips = [Clip(p.stem, p, 2.0) for p in sorted(Path({folder!r}).glob("*.mp4"))]
    extract(clips, [Loudness(0.1), Brightness()], Path({root!r}), "set", workers={workers})
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_run_goes_on_and_ends_as_if_it_had_not_been(tmp_path, clips, workers):
    root, tests = tmp_path / "killed", str(Path(__file__).parent)
    script = tmp_path / "run.py"
    folder = str(clips[0].path.parent)
    script.write_text(SLOW_RUN.format(tests=tests, folder=folder, root=str(root), workers=workers))
    run = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(root.rglob("*.safetensors"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    n_shards = len(list(root.rglob("*.safetensors")))
    assert 6 <= n_shards < 40
    assert not list(root.rglob("manifest.json"))
    report = extract(clips, [Loudness(), Brightness()], root, "set")
    assert 0 < report.n_present < 80
    extract(clips, [Loudness(), Brightness()], tmp_path / "whole", "set")
    assert contents(root) == contents(tmp_path / "whole")
