"""Time stamps that start again or are damaged: nothing is lost, picture and sound stay together."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import write_media
from musicavqa.media import MOTION, SOUND, read
from musicavqa.media.clock import Clock, Joints


def flash(folder, name, seconds, at_s, start_s=0.0):
    """A film that is white and sounds for the second that begins at `at_s`."""
    frames = [np.full((48, 64, 3), 255 if at_s <= i / 10 < at_s + 1 else 0, np.uint8)
              for i in range(seconds * 10)]  # fmt: skip
    times_s = np.arange(seconds * 44100) / 44100
    wave = 0.5 * np.sin(2 * np.pi * 440 * times_s) * ((times_s >= at_s) & (times_s < at_s + 1))
    return write_media(
        folder / name,
        frames,
        times_s=[start_s + i / 10 for i in range(len(frames))],
        wave=np.tile(wave.astype(np.float32), (2, 1)),
        audio_start_s=start_s,
    )


def begins_s(loud: np.ndarray, rate_hz: int) -> list[float]:
    """Where values rise above a half, gaps of under 0.1 s aside."""
    places = np.flatnonzero(loud > 0.5 * loud.max())
    first = np.insert(np.diff(places) > 0.1 * rate_hz, 0, True)
    return [place / rate_hz for place in places[first]]


def joined(folder, parts, ending):
    path = folder / f"joined.{ending}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("ending", ["ts", "mkv"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_joined_recordings_keep_all_their_seconds(tmp_path, ending, order):
    lengths_s, flashes_s = (4, 7), (1, 5)
    made = [
        flash(tmp_path, f"{i}.{ending}", n, at_s)
        for i, (n, at_s) in enumerate(zip(lengths_s, flashes_s, strict=True))
    ]
    media = read(joined(tmp_path, [made[i] for i in order], ending), (MOTION, SOUND))
    starts_s = np.cumsum([0, *(lengths_s[i] for i in order)])
    expected = [start_s + flashes_s[i] for start_s, i in zip(starts_s, order, strict=False)]
    assert media.duration_s == pytest.approx(starts_s[-1], abs=0.3)
    seen_s = begins_s(media[MOTION].mean((1, 2)), 10)
    heard_s = begins_s(np.abs(media[SOUND][0]), 16000)
    assert seen_s == pytest.approx(expected, abs=0.25)
    assert heard_s == pytest.approx(seen_s, abs=0.15)
    assert media.account.restarts_s == pytest.approx(starts_s[1:-1], abs=0.25)
    assert "time stamps start again at" in media.account.line
    assert not media.truncated


@pytest.mark.parametrize("start_s", [50.0, 5000.0])
def test_a_part_that_goes_on_much_later_is_closed_up(tmp_path, start_s):
    made = [flash(tmp_path, "a.ts", 4, 1), flash(tmp_path, "b.ts", 6, 3, start_s)]
    media = read(joined(tmp_path, made, "ts"), (MOTION, SOUND))
    assert media.duration_s == pytest.approx(10, abs=0.3)
    heard_s = begins_s(np.abs(media[SOUND][0]), 16000)
    assert heard_s == pytest.approx([1, 7], abs=0.25)
    assert begins_s(media[MOTION].mean((1, 2)), 10) == pytest.approx(heard_s, abs=0.15)


def test_pictures_far_apart_are_no_joint_while_the_sound_goes_on(tmp_path):
    frames = [np.full((48, 64, 3), level, np.uint8) for level in (0, 255)]
    wave = np.zeros((2, 30 * 44100), np.float32)
    media = read(write_media(tmp_path / "slides.ts", frames, times_s=[0.0, 15.0], wave=wave))
    assert media.duration_s == pytest.approx(30, abs=0.3)
    assert media.account.restarts_s == ()


STREAM = SimpleNamespace(index=0)


def packet(dts, stream=STREAM):
    return SimpleNamespace(
        pts=dts, dts=dts, duration=1000, time_base=Fraction(1, 1000), stream=stream
    )


def moved(times, format_name="mpegts"):
    container = SimpleNamespace(format=SimpleNamespace(name=format_name))
    joints = Joints(container, Clock(0.0, None, float("inf")))
    return [p.dts for p in joints.run_on(map(packet, times))], joints


@pytest.mark.parametrize("wild", [8000, 900_000, 0, -50_000])
def test_one_damaged_time_stamp_moves_nothing_else(wild):
    times, joints = moved([0, 1000, 2000, 3000, wild, 5000, 6000])
    assert times == [0, 1000, 2000, 3000, 3001, 5000, 6000]
    assert (joints.n_taken_back, joints.begins_s) == (1, [])


def test_times_that_start_again_follow_all_that_came_before():
    times, joints = moved([0, 1000, 2000, 0, 1000])
    assert times == [0, 1000, 2000, 3000, 4000]
    assert joints.begins_s == [3.0]


def test_a_leap_is_a_joint_only_where_formats_are_joined():
    assert moved([0, 1000, 60_000, 61_000])[0] == [0, 1000, 2000, 3000]
    assert moved([0, 1000, 60_000, 61_000], "matroska,webm")[0] == [0, 1000, 60_000, 61_000]
