"""When and where those play on whom an answer rests, as evidence of a method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from musicavqa.answers import ANSWERS
from musicavqa.methods.layers.question_reader import Asked
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Reading, Seen
from musicavqa.rules.facts import Interval, Player, share_of_steps
from musicavqa.rules.meant import whom
from musicavqa.rules.tables import Table

CELLS = 7
"""The picture has 7 x 7 cells."""
LEAST = 1e-6
"""Evidence of any second and cell."""


@dataclass(frozen=True)
class Put:
    """A question put to the tables of a reading; None in other words than the templates'."""

    asked: Asked | None
    reading: Reading
    tables: Sequence[Table]
    said: np.ndarray
    """(n,) index of each table's answer, -1 where its rule declines."""

    @property
    def answered(self) -> float:
        """Weight of the tables that have an answer."""
        weights = np.array([table.weight for table in self.tables])
        return float(weights[self.said >= 0].sum())


def grounds(put: Sequence[Put], logits: Tensor, n_seconds: int) -> dict[str, Tensor]:
    """'time' (B, T) and 'space' (B, 49), each summing to one, and 'activity' (B, T, 22).

    Time and place are those of the players whom each question means, in the tables that say what
    is answered, by logits (B, 42). Where that is nobody, they are everybody's.
    """
    time, space = torch.zeros(len(put), n_seconds), torch.zeros(len(put), CELLS**2)
    activity = torch.zeros(len(put), n_seconds, len(INSTRUMENTS))
    for row, (one, best) in enumerate(zip(put, logits.argmax(1).tolist(), strict=True)):
        n = int(one.reading.duration_s)
        seconds = one.reading.activity.reshape(n, -1, len(INSTRUMENTS)).mean(1)
        activity[row, :n] = torch.from_numpy(seconds)
        played, stand = _meant(one, best)
        when = _seconds(played, n) if played else seconds.sum(1)
        stand = stand or {index: seen.share for index, seen in enumerate(one.reading.seen)}
        time[row, :n] = torch.from_numpy(when).float() + LEAST
        space[row] = torch.from_numpy(_cells(stand, one.reading.seen)).float()
    time, space, activity = (t.to(logits.device) for t in (time, space, activity))
    return {
        "time": time / time.sum(1, keepdim=True),
        "space": space / space.sum(1, keepdim=True),
        "activity": activity,
    }


def _meant(put: Put, best: int) -> tuple[dict[tuple[Interval, ...], float], dict[int, float]]:
    """Weights of stretches of playing, and of performers by their place in the reading."""
    played: defaultdict[tuple[Interval, ...], float] = defaultdict(float)
    stand: defaultdict[int, float] = defaultdict(float)
    for table, index, player in _players(put, best):
        if player.heard:
            played[player.intervals] += table.weight
        if player.visible:  # they come first, as they were chosen
            stand[table.choices.there[index]] += table.weight
    return played, stand


def _players(put: Put, best: int) -> Iterator[tuple[Table, int, Player]]:
    """Whom the question means in each table that says `best`, with his place among the players."""
    if put.asked is None:
        return
    for table, said in zip(put.tables, put.said, strict=True):
        if said == best:
            meant = {id(player) for player in whom(table.facts, *put.asked, ANSWERS[best])}
            for index, player in enumerate(table.facts.players):
                if id(player) in meant:
                    yield table, index, player


def _seconds(played: Mapping[tuple[Interval, ...], float], n: int) -> np.ndarray:
    """(n,) how much of each second is played."""
    parts = [weight * share_of_steps(times, n, 1) for times, weight in played.items()]
    return np.sum(parts, axis=0)


def _cells(stand: Mapping[int, float], seen: Sequence[Seen]) -> np.ndarray:
    """(49,) weight of each performer spread over the cells that his box covers."""
    cells = np.full((CELLS, CELLS), LEAST)
    edges = np.arange(CELLS) / CELLS
    for index, weight in stand.items():
        left, top, right, bottom = seen[index].box
        across = np.clip(np.minimum(edges + 1 / CELLS, right) - np.maximum(edges, left), 0, None)
        down = np.clip(np.minimum(edges + 1 / CELLS, bottom) - np.maximum(edges, top), 0, None)
        area = down[:, None] * across
        cells += weight * area / max(area.sum(), 1e-9)
    return cells.ravel()
