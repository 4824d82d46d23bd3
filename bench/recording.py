"""Videos for the benches: a few rendered seconds, repeated to any length without coding anew.

A copy of packets costs next to nothing, and decoding a repeated clip costs what decoding a rendered
one of that length does (each repeat begins with a key picture, one in six seconds; x264 alone puts
one in ten). $MUSICAVQA_BENCH_CLIP names a file of your own to repeat instead.
"""

from __future__ import annotations

import os
from pathlib import Path

import av

SECONDS, SIZE, FPS = 6.0, (640, 360), 25


def rendered(
    folder: Path, size: tuple[int, int] = SIZE, fps: int = FPS, seconds: float = SECONDS
) -> Path:
    """A rendered clip, or the person's own."""
    if given := os.environ.get("MUSICAVQA_BENCH_CLIP"):
        return Path(given)
    from musicavqa.bandstand.render import render
    from musicavqa.bandstand.scene import sample_scene

    path = folder / "rendered.mp4"
    render(sample_scene("test", 900_100, duration_s=seconds, size=size, fps=fps), path)
    return path


def repeated(source: Path, path: Path, seconds: float) -> Path:
    """`source` again and again until `seconds` are full, packet by packet."""
    with av.open(str(source)) as first, av.open(str(path), "w") as out:
        copies = {s.index: out.add_stream_from_template(s) for s in first.streams}
        period_s = float(first.streams.video[0].duration * first.streams.video[0].time_base)
        last = dict.fromkeys(copies, -(2**62))
        for turn in range(max(1, round(seconds / period_s))):
            first.seek(0)
            for packet in first.demux():
                if packet.dts is None or float(packet.dts * packet.time_base) >= period_s:
                    continue
                shift = round(turn * period_s / packet.time_base)
                packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
                if packet.dts <= last[packet.stream.index]:
                    continue  # priming of the sound coder, which only the first turn needs
                last[packet.stream.index] = packet.dts
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return path
