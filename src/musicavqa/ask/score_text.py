"""The score in a terminal: lanes of blocks over a time axis, a table, and what is unsure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from musicavqa.ask.lanes import TOLD, Lane, Score
from musicavqa.ask.music import Music

BLOCKS = " ▁▂▃▄▅▆▇█"
LETTERS = " .:-=+*#@"
"""For terminals without blocks."""
STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""From label to label of the time axis."""
NARROWEST = 20
"""Columns that a lane has at least."""
DOUBTFUL = 0.7
"""What is no surer than this, one way or the other, is said to be unsure."""


def written(score: Score, music: Music, width: int = 80, marks: str = BLOCKS) -> str:
    """The score, about `width` columns wide; `marks` are characters from rest to sure."""
    parts = [
        _who(score),
        *([_drawn(score, width, marks), _table(score)] if score.sounding else []),
        "\n".join((*_whole(score), *music.lines)),
        "\n".join(_unsure(score)),
    ]
    return "\n\n".join(part for part in parts if part)


def _who(score: Score) -> str:
    """Whom the picture shows, and what is heard of nobody in it."""
    reading = score.reading
    seen = [lane for lane in score.lanes if lane.seen is not None]
    unseen = [lane for lane in score.lanes if lane.seen is None]
    lines = []
    if not reading.has_picture:
        lines.append("Seen:       nothing; there is no picture, or only a black or grey one")
    else:
        lines.append(f"Seen:       {', '.join(map(_seen, seen)) or 'nobody surely'}")
    if not reading.has_sound:
        lines.append("Heard:      nothing; there is no sound, or only silence")
    elif not score.sounding:
        lines.append("Heard:      no instrument surely")
    if unseen:
        names = ", ".join(f"{lane.instrument} {lane.sounds:.0%}" for lane in unseen)
        lines.append(f"Only heard: {names}")
    return "\n".join(lines)


def _seen(lane: Lane) -> str:
    """'violin (left, 92%)'; the share is that of somebody there with this instrument."""
    silent = "" if lane.sounds >= TOLD else ", silent"
    return f"{lane.instrument} ({lane.place}, {lane.named:.0%}{silent})"


def _drawn(score: Score, width: int, marks: str) -> str:
    """Lanes under their time axis."""
    margin = max(len(lane.title) for lane in score.sounding) + 2
    n = max(NARROWEST, width - margin - 1)
    lanes = [f"{lane.title:{margin}}{_blocks(lane.sure, n, marks)}" for lane in score.sounding]
    return "\n".join([" " * margin + _axis(score.reading.duration_s, n), *lanes])


def _blocks(sure: np.ndarray, n: int, marks: str) -> str:
    """Mean of each of n equal stretches of `sure` (K,) as a character."""
    total = np.concatenate([[0.0], np.cumsum(sure)])
    edges = np.interp(np.linspace(0, len(sure), n + 1), np.arange(len(total)), total)
    means = np.diff(edges) * n / len(sure)
    return "".join(marks[round(float(mean) * (len(marks) - 1))] for mean in means).rstrip()


def _axis(duration_s: float, n: int) -> str:
    """Labels of time above n columns."""
    fitting = [step for step in STEPS_S if n * step / duration_s >= 8]
    step = fitting[0] if fitting else duration_s
    line = ""
    for time_s in np.arange(0, duration_s, step):
        place = round(float(time_s) / duration_s * n)
        line = line.ljust(place) + _time(float(time_s), duration_s)
    return f"{line} s" if duration_s < 120 else line


def _time(time_s: float, duration_s: float) -> str:
    return f"{time_s:.0f}" if duration_s < 120 else f"{time_s // 60:.0f}:{time_s % 60:02.0f}"


def _table(score: Score) -> str:
    """When each comes in, how long he plays, how loud and how fast."""
    margin = max(len(lane.title) for lane in score.sounding) + 2
    head = f"{'':{margin}}{'sounds':>7}{'enters':>9}{'plays':>9}{'level':>8}{'notes a second':>16}"
    return "\n".join([head, *(_row(lane, margin, score.loudest_db) for lane in score.sounding)])


def _row(lane: Lane, margin: int, loudest_db: float) -> str:
    assert lane.enters_s is not None  # he sounds in some table
    assert lane.playing_s is not None
    assert lane.level_db is not None
    level = f"{round(lane.level_db - loudest_db)} dB"
    return (
        f"{lane.title:{margin}}{lane.sounds:>7.0%}{lane.enters_s:>7.1f} s{lane.playing_s:>7.1f} s"
        f"{level:>8}{lane.onset_rate:>16.1f}"
    )


def _whole(score: Score) -> Iterator[str]:
    """What is true of the clip as a whole."""
    reading = score.reading
    if score.fits is not None:
        yield _either(
            "Sound and picture", "fit", "do not fit: nobody who is seen sounds", score.fits
        )
    if reading.has_sound:
        yield _either("Voice-over:", "somebody speaks", "nobody speaks", reading.voiceover)
    if reading.has_picture:
        yield _either("Place:", "outdoors", "indoors", reading.outdoor)
    if reading.footage:
        yield "Read as footage: by what is known of photographs and recordings."
    else:
        yield "Read as a rendered performance: by what was learned from such clips."


def _either(about: str, yes: str, no: str, share: float) -> str:
    return f"{about} {yes if share >= 0.5 else no} ({max(share, 1 - share):.0%})"


def _unsure(score: Score) -> Iterator[str]:
    """What might as well be otherwise."""
    for lane in score.lanes:
        if lane.seen is not None and lane.there < DOUBTFUL:
            yield f"Unsure: whether anybody is there, {lane.place} ({lane.there:.0%})"
        if lane.names[0][1] < DOUBTFUL:
            likely = ", ".join(f"{name} {share:.0%}" for name, share in lane.names[:3])
            yield f"Unsure: which instrument is {lane.place} ({likely})"
        share = lane.sounds / max(lane.there, 1e-9) if lane.seen is not None else lane.sounds
        if 1 - DOUBTFUL < share < DOUBTFUL:
            yield f"Unsure: whether the {lane.title} sounds ({share:.0%})"
