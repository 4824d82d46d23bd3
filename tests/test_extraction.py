"""Extraction survives being killed, and any number of workers gives the same files."""

from __future__ import annotations

import os
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
from musicavqa.extraction import Engine, encode_media, extract
from musicavqa.media import FRAMES, SOUND, Media, read
from musicavqa.records import Clip
from musicavqa.store import FeatureError, Store

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
    """40 clips of 2 s in 38 groups, so two groups hold two clips."""
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
    extract(clips, encoders, tmp_path / "b", "set", engine=2)
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


