"""Extraction against work: does the cost grow as the number and the length of clips do?

    python bench/scaling.py [--clips 10 100 1000] [--lengths 10 60 600]

Clips are copies of a small video with cheap encoders (log-mel and motion), so that what is not
decoding and not encoding shows: listing, claims, shards, manifests. CPU seconds and peak memory of
a process of its own for each size; what it used before the first clip is taken off. The line goes
through the outer sizes; the table says how far each lies from it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from recording import rendered, repeated

ENCODERS = ("audio_logmel", "visual_motion")
SIZE, FPS, SHORT_S = (160, 96), 10, 3.0
WITHIN = 0.10


def measure(videos: Path) -> dict[str, float]:
    """CPU seconds and GB of extracting a folder, in a process of its own."""
    command = [sys.executable, __file__, "--alone", str(videos)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def alone(videos: Path) -> None:
    """Extract a folder twice, first one clip to warm up; say what the rest took."""
    from musicavqa.datasets.footage import files_in
    from musicavqa.features.extraction import extract
    from musicavqa.records import Clip

    clips = files_in(videos)
    with tempfile.TemporaryDirectory() as folder:
        extract([Clip("first", clips[0].path, None)], ENCODERS, Path(folder) / "warm", "bench")
        before = resource.getrusage(resource.RUSAGE_SELF)
        report = extract(clips, ENCODERS, Path(folder) / "store", "bench")
        after = resource.getrusage(resource.RUSAGE_SELF)
        assert report.n_written == len(ENCODERS) * len(clips)
        names = [file for file in Path(folder).rglob("store/**/*.safetensors")]
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    unit = 1e6 if sys.platform != "darwin" else 1e9
    gb = {"before": before.ru_maxrss / unit, "peak": after.ru_maxrss / unit}
    print(json.dumps({"cpu_s": used, "n_shards": len(names), **gb}))


def table(what: str, sizes: list[int], found: list[dict[str, float]]) -> None:
    """One line a size, and the fitted line."""
    x, y = np.array(sizes, float), np.array([row["cpu_s"] for row in found])
    slope = (y[-1] - y[0]) / (x[-1] - x[0])
    start = y[0] - slope * x[0]
    for size, seconds, row in zip(sizes, y, found, strict=True):
        off = seconds / (start + slope * size) - 1
        print(
            f"{size:6} {what:8} {seconds:8.2f} CPU s  {seconds / size * 1e3:7.2f} ms each  "
            f"{off:+5.0%} off the line  peak {row['peak']:.3f} GB ({row['before']:.3f} before)  "
            f"{row['n_shards']:.0f} shards"
        )
    ratio = (y[-1] / x[-1]) / (y[-2] / x[-2]) - 1 if len(x) > 1 else 0.0
    print(
        f"line: {start:.2f} s + {slope * 1e3:.2f} ms each; the last size costs {ratio:+.0%} a piece"
        f" beside the one before (asked for: within {WITHIN:.0%})",
        flush=True,
    )


def by_number(source: Path, folder: Path, counts: list[int]) -> None:
    """More and more clips of the same length."""
    clip = repeated(source, folder / "short.mp4", SHORT_S)
    found = []
    for count in counts:
        videos = folder / f"clips-{count}"
        videos.mkdir()
        for index in range(count):
            os.link(clip, videos / f"{index:06d}.mp4")
        found.append(measure(videos))
    table("clips", counts, found)


def by_length(source: Path, folder: Path, lengths: list[int]) -> None:
    """One clip, longer and longer."""
    found = []
    for length in lengths:
        videos = folder / f"long-{length}"
        videos.mkdir()
        repeated(source, videos / "clip.mp4", length)
        found.append(measure(videos))
    table("seconds", lengths, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--lengths", type=int, nargs="*", default=[10, 60, 600])
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        alone(Path(given.alone))
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = rendered(folder, SIZE, FPS, SHORT_S)
        if given.clips:
            by_number(source, folder, given.clips)
        if given.lengths:
            by_length(source, folder, given.lengths)


if __name__ == "__main__":
    main()
