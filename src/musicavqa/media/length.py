"""How long a file says it is, and how large its picture, without decoding it."""

from __future__ import annotations

from pathlib import Path

from musicavqa.media.clock import Clock
from musicavqa.media.opening import check_file, open_file, pick_streams


def announced_s(path: Path | str) -> float | None:
    """Seconds that the container announces (milliseconds of work), None where it is silent."""
    path = check_file(Path(path))
    with open_file(path) as container:
        return Clock.of(container, None).announced_s


def shape_of(path: Path | str) -> tuple[int, int] | None:
    """(height, width) of the picture as it is shown, without decoding; None for sound alone.

    Dots that are not square are stretched in the width; a picture that is turned on its side only
    when it is shown is not known to be before it is decoded.
    """
    path = check_file(Path(path))
    with open_file(path) as container:
        stream = pick_streams(container, path, "any")["video"]
        if stream is None:
            return None
        dots = float(stream.sample_aspect_ratio or 1)
        return stream.codec_context.height, round(stream.codec_context.width * dots)
