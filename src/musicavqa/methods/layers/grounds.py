"""When and where those play on whom an answer rests, as evidence of a method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from musicavqa.answers import ANSWERS
from musicavqa.methods.layers.question_reader import Asked
from musicavqa.questions import INSTRUMENTS, SLOTS
from musicavqa.records import Reading, Seen
from musicavqa.rules.facts import region

CELLS = 7
"""The picture has 7 x 7 cells."""


def grounds(
    clips: Sequence[int],
    readings: Sequence[Reading],
    asked: Sequence[Asked | None],
    logits: Tensor,
    n_seconds: int,
) -> dict[str, Tensor]:
    """'time' (B, T) and 'space' (B, 49), each summing to one, and 'activity' (B, T, 22).

    clips (B,) says which reading a question is about, logits (B, 42) what is answered.
    """
    best = logits.argmax(1).tolist()
    time, space = torch.zeros(len(asked), n_seconds), torch.zeros(len(asked), CELLS**2)
    activity = torch.zeros(len(asked), n_seconds, len(INSTRUMENTS))
    for row, (clip, question) in enumerate(zip(clips, asked, strict=True)):
        reading = readings[clip]
        n = int(reading.duration_s)
        seconds = reading.activity.reshape(n, -1, len(INSTRUMENTS)).mean(1)
        activity[row, :n] = torch.from_numpy(seconds)
        names, areas = named(question, ANSWERS[best[row]])
        players = [(share, seen) for seen in reading.seen if (share := _share(seen, names, areas))]
        weight = sum(
            (share * seen.instruments for share, seen in players), start=np.zeros(len(INSTRUMENTS))
        )
        if names or not players:
            weight = np.array([float(not names or name in names) for name in INSTRUMENTS])
        time[row, :n] = torch.from_numpy(seconds @ weight).float() + 1e-6
        space[row] = torch.from_numpy(_cells(players)).float()
    time, space, activity = (t.to(logits.device) for t in (time, space, activity))
    return {
        "time": time / time.sum(1, keepdim=True),
        "space": space / space.sum(1, keepdim=True),
        "activity": activity,
    }


def named(asked: Asked | None, best: str) -> tuple[set[str], set[str]]:
    """Instruments and areas that a question and its answer speak of."""
    words = {*(asked[1] if asked else ()), best}
    return words & set(INSTRUMENTS), words & set(SLOTS["LR"])


def _share(seen: Seen, names: set[str], areas: set[str]) -> float:
    """How surely a performer is spoken of."""
    if not names:
        return seen.share * (not areas or region(seen.x) in areas)
    share = sum(seen.instruments[INSTRUMENTS.index(name)] for name in names)
    return seen.share * float(share)


def _cells(players: Sequence[tuple[float, Seen]]) -> np.ndarray:
    """(49,) share of each performer spread over the cells that his box covers."""
    cells = np.full((CELLS, CELLS), 1e-6)
    edges = np.arange(CELLS) / CELLS
    for share, seen in players:
        left, top, right, bottom = seen.box
        across = np.clip(np.minimum(edges + 1 / CELLS, right) - np.maximum(edges, left), 0, None)
        down = np.clip(np.minimum(edges + 1 / CELLS, bottom) - np.maximum(edges, top), 0, None)
        area = down[:, None] * across
        cells += share * area / max(area.sum(), 1e-9)
    return cells.ravel()
