"""A performance in a notebook: lanes over time, who and how sure, in HTML that loads nothing."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from musicavqa.ask.lanes import TOLD, Lane, Score

if TYPE_CHECKING:
    from musicavqa.media import Account

MOST_STEPS = 300
WIDTH, HEIGHT = 480, 22
"""Of a lane, in pixels."""
CELL = "text-align:left;padding:2px 10px 2px 0;white-space:nowrap"


def shown(score: Score | None, account: Account) -> str:
    """HTML of a performance; where its method makes no reading, what was used of the file."""
    line = escape(account.line)
    if score is None:
        return f"<p>A performance without a reading. File: {line}.</p>"
    head = "".join(
        f'<th style="{CELL}">{name}</th>'
        for name in ("who", "sounds", "enters", f"0 to {score.reading.duration_s:.1f} s")
    )
    rows = "".join(_row(lane) for lane in score.lanes)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    nobody = "" if score.lanes else "<p>Nobody is surely seen or heard.</p>"
    return f"{nobody or table}<p>File: {line}.</p>"


def _row(lane: Lane) -> str:
    enters = "" if lane.enters_s is None or lane.sounds < TOLD else f"{lane.enters_s:.1f} s"
    cells = (escape(lane.title.replace("_", " ")), f"{lane.sounds:.0%}", enters, _drawn(lane))
    return "<tr>" + "".join(f'<td style="{CELL}">{cell}</td>' for cell in cells) + "</tr>"


def _drawn(lane: Lane) -> str:
    """A filled curve of how surely he sounds; each step is the highest of its ticks."""
    n = min(MOST_STEPS, len(lane.sure))
    tops = [float(part.max()) for part in np.array_split(lane.sure, n)] if n else []
    steps = "".join(f"L{i} {1 - top:.3f}L{i + 1} {1 - top:.3f}" for i, top in enumerate(tops))
    label = f"{lane.title.replace('_', ' ')}: how surely it sounds over time"
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {max(1, n)} 1" preserveAspectRatio="none">'
        f'<rect width="100%" height="100%" fill="#8883"/>'
        f'<path d="M0 1{steps}L{n} 1Z" fill="#2d7d6b"/></svg>'
    )
