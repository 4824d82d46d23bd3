"""How well the music streams hear and see: the table of docs/music_streams.md.

    python bench/streams.py --clips 60 [--root FOLDER] [--split test] [--streams music_f0]

Clips of bandstand's 'test', on which nothing was chosen (the variants of some streams were chosen
on 'val'), are rendered to FOLDER/test/clips (a temporary folder without --root) unless they are
there; the rows are made from the files, so codecs count. Every measure is a share in percent with a
95 % interval over clips (metrics/bootstrap.py) beside what costs no listening. CPU seconds are
those of `encode` for 60 s of noise, on one thread, without decoding.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "features"))

import numpy as np

import rhythm_checks
import stream_checks
from musicavqa.bandstand.render import render
from musicavqa.bandstand.scene import sample_scene
from musicavqa.features.encoders import list_encoders, load_encoder
from musicavqa.media import Media, Sound
from musicavqa.metrics.bootstrap import clustered_interval
from stream_checks import Clip, Measure

MINUTE_S = 60
HEAD = ("stream", "measure", "share, % [95 %]", "naive, %", "clips", "CPU s a minute")


def of_rhythm(name: str) -> stream_checks.Check:
    """The measures of rhythm_checks.py, on these clips or on half as many rehearsals."""

    def check(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
        played = rhythm_checks.rehearsals(len(clips) // 2)
        heard = played if name in rhythm_checks.OF_REHEARSALS else clips
        found = rhythm_checks.check_stream(name, heard)
        return [Measure(row.measure, row.values, row.naive) for row in found]

    return check


RHYTHM = (*rhythm_checks.OF_SCENES, *rhythm_checks.OF_REHEARSALS)
CHECKS = stream_checks.CHECKS | {name: of_rhythm(name) for name in RHYTHM}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--streams", default="", help="names with commas; default: all of music_*")
    options = parser.parse_args()
    streams = [name for name in list_encoders() if name.startswith("music_")]
    if chosen := options.streams.split(",") if options.streams else []:
        if unknown := set(chosen) - set(streams):
            parser.error(f"no music stream {', '.join(unknown)}; there are {', '.join(streams)}")
        streams = chosen
    unchecked = [name for name in streams if name not in CHECKS]
    with tempfile.TemporaryDirectory() as temporary:
        clips = list(rendered(options.root or Path(temporary), options.split, options.clips))
        print(row(HEAD), row(["---"] * len(HEAD)), sep="\n", flush=True)
        for name in streams:
            if name in CHECKS:
                print("\n".join(lines(name, clips)), flush=True)
    if unchecked:
        print(f"without a check: {', '.join(unchecked)}", file=sys.stderr)


def rendered(root: Path, split: str, n_clips: int) -> Iterator[Clip]:
    """The first clips of the split; a folder made from other scenes is refused."""
    folder = root / split
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    known = known_scenes(folder / "scenes.jsonl")
    for index in range(n_clips):
        scene = sample_scene(split, index)
        if known.get(scene["id"], scene) != scene:
            raise ValueError(f"{folder} holds another scene {scene['id']}; give another --root.")
        path = folder / "clips" / f"{scene['id']}.mp4"
        if not path.exists():
            render(scene, path)
        yield Clip(scene, path)


def known_scenes(path: Path) -> dict[str, Any]:
    """Scenes by id of a folder that `musicavqa render` made; none without the file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {scene["id"]: scene for scene in map(json.loads, text.splitlines())}


def lines(name: str, clips: Sequence[Clip]) -> Iterator[str]:
    """The rows of one stream."""
    encoder = load_encoder(name)
    cost = f"{cpu_seconds(encoder):.2f}"
    for measure in CHECKS[name](encoder, clips):
        share, naive, n = numbers(measure)
        yield row((name, measure.name, share, f"{naive} ({measure.naive_way})", str(n), cost))
        name = cost = ""


def numbers(measure: Measure) -> tuple[str, str, int]:
    """Share with its interval, naive share, and number of clips that have something to measure."""
    there = np.isfinite(measure.values) & np.isfinite(measure.naive)
    n = int(there.sum())
    if not n:
        return "-", "-", 0
    found = clustered_interval(measure.values[there], np.arange(n))
    share = f"{found.mean:.1f} [{found.low:.1f}, {found.high:.1f}]"
    return share, f"{100 * measure.naive[there].mean():.1f}", n


def cpu_seconds(encoder: Any) -> float:
    """CPU time of encoding a minute of noise, after a short one to warm up."""
    encoder.encode(noise(encoder, 4))
    start = time.process_time()
    encoder.encode(noise(encoder, MINUTE_S))
    return time.process_time() - start


def noise(encoder: Any, seconds: int) -> Media:
    """White noise and random pictures, whatever the encoder reads."""
    rng = np.random.default_rng(0)
    kept = {
        item: 0.1 * rng.standard_normal((item.channels, seconds * item.rate_hz), np.float32)
        if isinstance(item, Sound)
        else rng.integers(0, 256, (round(seconds * item.rate_hz), *item.size), np.uint8)
        for item in encoder.spec.reads
    }
    return Media(kept, float(seconds), has_video=True, has_audio=True)


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    main()
