"""Extraction survives being killed, and any number of workers gives the same files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa.features.encoders import load_spec
from musicavqa.features.encoders.spec import Spec, n_seconds
from musicavqa.features.extraction import Engine, encode_media, extract
from musicavqa.features.extraction.verify import recompute
from musicavqa.features.store import FeatureError, Store
from musicavqa.media import FRAMES, SOUND, Media, read
from musicavqa.records import Clip
from processes import children

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


def contents(place: Path) -> dict[str, bytes]:
    return {str(p.relative_to(place)): p.read_bytes() for p in place.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """24 clips of 2 s; nearly all are alone in their group."""
    folder, made = tmp_path_factory.mktemp("clips"), []
    for index in range(24):
        frames = grey_frames(40, 32, 32)[index // 2 :][:20]
        path = write_media(folder / f"{index:03}.mp4", frames, wave=sine(200 + index, 2.0))
        made.append(Clip(path.stem, path, 2.0))
    return made


def test_two_runs_and_any_number_of_workers_give_equal_files(tmp_path, clips):
    encoders = [Loudness(), Brightness()]
    report = extract(clips, encoders, tmp_path / "a", "set")
    assert (report.n_written, report.n_present, report.skipped, report.notes) == (48, 0, [], [])
    extract(clips, encoders, tmp_path / "b", "set", engine=2)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    again = extract(clips, encoders, tmp_path / "a", "set")
    assert (again.n_written, again.n_present) == (0, 48)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    store = Store.open(report.folders["visual_fake"])
    assert store.ids() == [clip.id for clip in clips]
    one = encode_media(read(clips[7].path, [FRAMES, SOUND]), encoders)
    assert np.array_equal(store[clips[7].id], one["visual_fake"])


def test_an_encoder_added_later_fills_its_own_store_only(tmp_path, clips):
    first = extract(clips[:3], [Loudness()], tmp_path / "a", "set")
    before = contents(first.folders["audio_fake"].path)
    both = extract(clips[:3], [Loudness(), Brightness()], tmp_path / "a", "set")
    assert (both.n_written, both.n_present) == (3, 3)
    assert contents(first.folders["audio_fake"].path) == before


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


def test_another_video_under_an_id_that_is_stored_is_refused(tmp_path, clips):
    path = tmp_path / "one.mp4"
    path.write_bytes(clips[0].path.read_bytes())
    some = [*clips[1:3], Clip("one", path, 2.0)]
    extract(some, [Loudness()], tmp_path / "a", "set")
    path.touch()  # the same recording, copied
    assert extract(some, [Loudness()], tmp_path / "a", "set").n_present == 3
    path.write_bytes(clips[5].path.read_bytes())
    kept = contents(tmp_path / "a")
    for encoders in ([Loudness()], [Loudness(), Brightness()]):
        with pytest.raises(FeatureError, match=r"1 of 3 videos are not .*\(first: one .*--out"):
            extract(some, encoders, tmp_path / "a", "set")
    assert contents(tmp_path / "a") == kept
    path.unlink()  # nothing is left to compare with
    assert extract(some, [Loudness()], tmp_path / "a", "set").n_present == 3


def test_silent_video_gives_zeros_and_is_noted(tmp_path):
    silent = Clip("silent", write_media(tmp_path / "silent.mp4", grey_frames(20)), 2.0)
    report = extract([silent], [Loudness(), Brightness()], tmp_path, "set")
    assert not Store.open(report.folders["audio_fake"])["silent"].any()
    assert [note.text for note in report.notes] == ["no sound: rows of audio_fake are zeros"]
    manifests = {name: Store.open(folder).manifest for name, folder in report.folders.items()}
    assert manifests["audio_fake"]["remarks"] == {"silent": report.notes[0].text}
    assert manifests["visual_fake"]["remarks"] == {}


def test_double_clips_and_encoders_are_refused(tmp_path, clips):
    with pytest.raises(ValueError, match="listed twice"):
        extract([clips[0], clips[0]], [Loudness()], tmp_path, "set")
    with pytest.raises(ValueError, match="named twice"):
        extract(clips, [Loudness(), Loudness()], tmp_path, "set")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, clips) -> dict[str, bytes]:
    """Files of a run that nobody disturbed."""
    root = tmp_path_factory.mktemp("whole")
    extract(clips, [Loudness(), Brightness()], root, "set")
    return contents(root)


RUN = """
import sys
from pathlib import Path
sys.path[:0] = {places!r}
from test_extraction import Brightness, Loudness
from musicavqa.features.extraction import extract
from musicavqa.records import Clip

if __name__ == "__main__":
    clips = [Clip(p.stem, p, 2.0) for p in sorted(Path({folder!r}).glob("*.mp4"))]
    report = extract(clips, [Loudness({pause_s}), Brightness()], {root!r}, "set", {workers})
    print(report.n_written, report.n_present, len(report.skipped))
"""


def start(root: Path, clips: list[Clip], workers: int, pause_s: float = 0.1) -> subprocess.Popen:
    """A run in a process of its own, which leads a group of processes."""
    script = RUN.format(
        places=[str(place) for place in Path(__file__).parents[:2]],
        folder=str(clips[0].path.parent), pause_s=pause_s, root=str(root), workers=workers,
    )  # fmt: skip
    path = root.parent / "run.py"
    path.write_text(script)
    command = [sys.executable, str(path)]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)


def wait_for_shards(root: Path, n: int) -> None:
    deadline = time.monotonic() + 240
    while len(list(root.rglob("*.safetensors"))) < n:
        assert time.monotonic() < deadline, "the run wrote nothing"
        time.sleep(0.02)


def unfinished(root: Path) -> list[str]:
    return [p.name for p in root.rglob("*") if p.name.endswith((".part", ".claim"))]


@pytest.mark.parametrize(("workers", "victim"), [(1, "all"), (2, "parent")])
def test_killed_run_goes_on_and_ends_as_if_it_had_not_been(tmp_path, clips, whole, workers, victim):
    root = tmp_path / "killed"
    run = start(root, clips, workers)
    wait_for_shards(root, 6)
    kill = os.killpg if victim == "all" else os.kill
    kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not list(root.rglob("manifest.json"))
    report = extract(clips, [Loudness(), Brightness()], root, "set")
    assert 0 < report.n_present < 48
    assert report.n_written + report.n_present == 48
    assert unfinished(root) == []
    assert contents(root) == whole


def test_a_killed_worker_is_replaced_and_nothing_is_lost(tmp_path, clips, whole):
    root = tmp_path / "killed"
    run = start(root, clips, workers=2)
    wait_for_shards(root, 4)
    os.kill(children(run.pid)[0], signal.SIGKILL)
    assert run.wait(240) == 0
    n_written, n_present, n_skipped = map(int, run.communicate()[0].split())
    assert (n_written + n_present, n_skipped) == (48, 0)
    left = {name: data for name, data in contents(root).items() if not name.endswith(".part")}
    assert left == whole


def test_two_runs_at_once_share_the_work_and_write_nothing_twice(tmp_path, clips, whole):
    root = tmp_path / "shared"
    runs = [start(root, clips, workers=1, pause_s=0.05) for _ in range(2)]
    counts = [list(map(int, run.communicate(timeout=240)[0].split())) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sum(written for written, _, _ in counts) == 48
    assert all(written + present == 48 for written, present, _ in counts)
    assert contents(root) == whole
    assert unfinished(root) == []


@dataclass
class Deadly:
    """Kills its process at the clip of this name, as a broken decoder or a lack of memory does."""

    clip_rows: int
    spec: Spec = LOUDNESS

    def encode(self, media: Media) -> np.ndarray:
        n = n_seconds(media.duration_s)
        if n == self.clip_rows:
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros((n, 2), np.float16)


def test_a_clip_that_kills_its_reader_is_skipped_and_named(tmp_path, clips):
    deadly = write_media(tmp_path / "deadly.mp4", grey_frames(30, 32, 32), wave=sine(200, 3.0))
    some = [clips[0], Clip("deadly", deadly, 3.0), clips[1]]
    report = extract(some, [Deadly(3)], tmp_path, "set", Engine(workers=2))
    (note,) = report.skipped
    assert (note.clip, "killed (SIGKILL)" in note.text) == ("deadly", True)
    assert report.n_written == 2
    assert "SIGKILL" in Store.open(report.folders["audio_fake"]).manifest["skipped"]["deadly"]


@dataclass
class Faulty:
    spec: Spec = LOUDNESS

    def encode(self, media: Media) -> np.ndarray:
        raise ArithmeticError("the encoder is wrong")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_an_encoder_stops_the_run_and_gives_claims_back(tmp_path, clips, workers):
    with pytest.raises((ArithmeticError, RuntimeError), match="the encoder is wrong"):
        extract(clips[:4], [Faulty()], tmp_path, "set", workers)
    assert unfinished(tmp_path) == []


def test_an_encoder_that_gives_too_few_rows_is_refused(tmp_path, clips):
    class Short(Loudness):
        def encode(self, media: Media) -> np.ndarray:
            return super().encode(media)[:1]

    with pytest.raises(FeatureError, match="gave 1 rows where 2 are due"):
        extract(clips[:1], [Short()], tmp_path, "set")


@dataclass
class Together:
    """Takes the pictures of several clips at once, and counts how often."""

    spec: Spec = BRIGHTNESS

    def __post_init__(self) -> None:
        self.sizes: list[int] = []

    def picture_rows(self, pictures: np.ndarray) -> np.ndarray:
        self.sizes.append(len(pictures))
        return pictures.mean((1, 2)).astype(np.float16)

    def encode(self, media: Media) -> np.ndarray:
        return self.picture_rows(media[FRAMES])


def test_pictures_of_several_clips_go_through_an_encoder_at_once(tmp_path, clips, monkeypatch):
    monkeypatch.setattr("musicavqa.features.extraction.plan.group_of", lambda clip_id: "00")
    encoder = Together()
    report = extract(clips[:5], [encoder], tmp_path, "set")
    assert encoder.sizes == [10]
    store = Store.open(report.folders["visual_fake"])
    for clip in clips[:5]:
        assert np.array_equal(store[clip.id], Brightness().encode(read(clip.path, [FRAMES])))


def test_unknown_engines_and_addresses_that_lead_nowhere_are_refused(tmp_path, clips):
    with pytest.raises(ValueError, match="local or ray"):
        extract(clips[:1], [Loudness()], tmp_path, "set", Engine("slurm"))
    with pytest.raises(ValueError, match="the local one has none"):
        extract(clips[:1], [Loudness()], tmp_path, "set", Engine(address="10.0.0.1:6379"))


def test_a_long_clip_is_encoded_in_pieces_as_if_it_were_whole(tmp_path, monkeypatch):
    frames = np.random.default_rng(0).integers(0, 255, (306, 32, 32, 3), np.uint8)
    sounding = write_media(tmp_path / "long.mp4", frames, wave=sine(300, 30.6))
    silent = write_media(tmp_path / "silent.mp4", frames)
    some = [Clip("long", sounding, 30.6), Clip("silent", silent, 30.6)]
    together = Together(replace(BRIGHTNESS, sees_s=0))
    names = ["audio_logmel", "visual_motion", "music_onsets", "music_alignment", "visual_frames"]
    encoders = [*names, together]
    wanted = [SOUND, FRAMES, *(item for name in names for item in load_spec(name).reads)]
    by_hand = {c.id: encode_media(read(c.path, wanted, require="any"), encoders) for c in some}
    together.sizes.clear()
    monkeypatch.setattr(
        "musicavqa.features.extraction.pieces.PIECE_S", 7
    )  # 12: visual_frames keeps a sixth
    monkeypatch.setattr("musicavqa.features.extraction.work.BATCH_BYTES", 1)  # piece by piece
    monkeypatch.setattr(
        "musicavqa.features.store.strip.MOST_BYTES", 1000
    )  # rows and sound lie in files
    report = extract(some, encoders, tmp_path, "set")
    assert together.sizes == [12, 12, 7] * 2
    assert (report.n_written, report.skipped) == (12, [])
    assert [note.clip for note in report.notes] == ["silent"]
    for name, place in report.folders.items():
        store = Store.open(place)
        for clip in some:
            assert store[clip.id] == pytest.approx(by_hand[clip.id][name], rel=2**-10, abs=1e-5), (
                name
            )
    checked = recompute(some, encoders, tmp_path, "set", 2)
    assert [one.difference for one in checked] == [0] * 12


@pytest.mark.parametrize(("address", "where"), [(None, "on this machine"), ("a:1", "at a:1")])
def test_a_cluster_that_does_not_begin_is_one_line(monkeypatch, tmp_path, clips, address, where):
    def init(**_):
        raise Exception("The current node timed out.\nPerhaps it has no memory.")

    broken = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", broken)
    with pytest.raises(OSError, match=rf"^Ray did not begin {where}: The current .*out\. Perhaps"):
        extract(clips[:1], [Loudness()], tmp_path, "set", Engine("ray", address=address))
