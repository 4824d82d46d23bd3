"""Search the readings of many files: by terms ("solo cello, no drums"), or by likeness to one.

Nothing is decided beforehand: each term has a probability by the reading of a file, and files are
ranked by the product, so that an unsure reading stands behind a sure one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.ask.asking import DEFAULT_CHECKPOINT
from musicavqa.ask.many import Errand, continue_documents, failures, latest, read_documents
from musicavqa.ask.query import Term, parse_query
from musicavqa.ask.sensing import Tell
from musicavqa.media import LIMITS, Limits
from musicavqa.questions import INSTRUMENTS

LEAST = 1e-4
"""A term is never quite excluded by an unsure reading."""
TICKS = 10
"""Values of `sure` in a second."""
SURE = 0.5
N_SPANS = 3

Document = Mapping[str, Any]
"""As `documents.answers` makes it."""


def search(
    files: Sequence[Path],
    query: str | None = None,
    *,
    like: Path | None = None,
    index: Path,
    checkpoint: Path = DEFAULT_CHECKPOINT,
    workers: int = 1,
    limits: Limits = LIMITS,
    tell: Tell = lambda done, total: None,
) -> list[Hit]:
    """Files by what is heard and seen in them: by `query`, or by likeness to the file `like`.

    `index` is a file of readings that is made, or continued with files that it lacks. ValueError
    for a query that is not understood. Files that cannot be read are no hits; `unread` names them.
    """
    if (query is None) == (like is None):
        raise ValueError("Say what is wanted, or --like FILE; one of the two.")
    terms = () if query is None else parse_query(query)
    wanted = list(dict.fromkeys([*files, *([like] if like is not None else [])]))
    errand = Errand((), checkpoint, limits=limits)
    newest = latest(continue_documents(index, wanted, errand, workers, tell))
    documents = [found for path in files if (found := newest[str(path)]).get("reading") is not None]
    if like is None:
        return rank(documents, terms)
    if (example := newest[str(like)]).get("reading") is None:
        raise ValueError(f"{like} could not be read, so nothing is like it.")
    return rank_like(documents, example)


def unread(files: Sequence[Path], index: Path) -> list[str]:
    """Those of the files that could not be read, and why."""
    return failures(files, read_documents(index))


@dataclass(frozen=True)
class Reason:
    """How far one term holds, and when."""

    term: str
    share: float
    spans_s: tuple[tuple[float, float], ...] = ()

    @property
    def text(self) -> str:
        """'cello 93 % (0.0-4.2 s)'."""
        when = ", ".join(f"{start:.1f}-{stop:.1f}" for start, stop in self.spans_s)
        return f"{self.term} {self.share:.0%}{f' ({when} s)' if when else ''}"


@dataclass(frozen=True)
class Hit:
    """One file that was found."""

    file: str
    score: float
    """Probability that all terms hold, or likeness from 0 to 1."""
    reasons: tuple[Reason, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same for machines."""
        reasons = [
            {"term": r.term, "share": round(r.share, 4), "spans_s": [list(s) for s in r.spans_s]}
            for r in self.reasons
        ]
        return {"file": self.file, "score": round(self.score, 6), "reasons": reasons}


def rank(documents: Sequence[Document], terms: Sequence[Term]) -> list[Hit]:
    """Files by the probability that all terms hold, the likeliest first."""
    hits = []
    for document in documents:
        reasons = tuple(_reason(document["reading"], term) for term in terms)
        score = math.prod(max(reason.share, LEAST) for reason in reasons)
        hits.append(Hit(document["file"], score, reasons))
    return sorted(hits, key=lambda hit: (-hit.score, hit.file))


def rank_like(documents: Sequence[Document], example: Document) -> list[Hit]:
    """Files by likeness to `example`: who sounds how long, how many, and where it is.

    Cosine of `features_of`; reasons are the instruments that both have.
    """
    wanted = features_of(example["reading"])
    hits = []
    for document in documents:
        if document["file"] == example["file"] and document["mark"] == example["mark"]:
            continue
        found = features_of(document["reading"])
        size = float(np.linalg.norm(wanted) * np.linalg.norm(found))
        shared = np.minimum(wanted, found)[: len(INSTRUMENTS)]
        reasons = tuple(
            _reason(document["reading"], Term("instrument", INSTRUMENTS[i]))
            for i in np.argsort(-shared)[:N_SPANS]
            if shared[i] > 0.1
        )
        hits.append(Hit(document["file"], float(wanted @ found) / size if size else 0.0, reasons))
    return sorted(hits, key=lambda hit: (-hit.score, hit.file))


def features_of(reading: Mapping[str, Any]) -> np.ndarray:
    """(22 + 6 + 2,) shares that each instrument sounds, by how long; numbers of players from 0 to
    5; voice and outdoors. Not negative."""
    sounds = np.zeros(len(INSTRUMENTS))
    for lane in reading["lanes"]:
        length = np.mean(lane["sure"]) if lane["sure"] else 0.0
        for name, share in lane["instruments"].items():
            sounds[INSTRUMENTS.index(name)] += share * lane["sounds"] * (0.5 + 0.5 * length)
    players = number_of_players(reading)[:6]
    players = np.pad(players, (0, 6 - len(players)))
    return np.concatenate(
        [sounds, 0.5 * players, [0.5 * reading["voiceover"], 0.5 * reading["outdoor"]]]
    )


def _reason(reading: Mapping[str, Any], term: Term) -> Reason:
    share, spans = _holds(reading, term)
    if term.negated:
        return Reason(term.text, 1 - share)
    return Reason(term.text, share, spans)


def _holds(reading: Mapping[str, Any], term: Term) -> tuple[float, tuple[tuple[float, float], ...]]:
    if term.kind == "instrument":
        return _instrument(reading, str(term.value), term.place)
    if term.kind == "players":
        counts = number_of_players(reading)
        return (float(counts[int(term.value)]) if int(term.value) < len(counts) else 0.0), ()
    return {
        "voice": reading["voiceover"],
        "outdoor": reading["outdoor"],
        "indoor": 1 - reading["outdoor"],
        "silent": float(number_of_players(reading)[0]) * (1 - reading["voiceover"]),
    }[term.kind], ()


def _instrument(
    reading: Mapping[str, Any], name: str, place: str | None
) -> tuple[float, tuple[tuple[float, float], ...]]:
    """That it sounds (at this place), and when."""
    missing, sure = 1.0, np.zeros(0)
    for lane in reading["lanes"]:
        share = lane["instruments"].get(name, 0.0) * lane["sounds"]
        if share and (place is None or lane["place"] == place):
            missing *= 1 - min(share, 1.0)
            active = lane["instruments"][name] * np.asarray(lane["sure"])
            sure = np.maximum(sure, active) if len(sure) else active
    return 1 - missing, _spans(sure)


def _spans(sure: np.ndarray) -> tuple[tuple[float, float], ...]:
    """The longest stretches in which it surely sounds, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], sure >= SURE, [0]]).astype(int)))
    spans = [(float(a) / TICKS, float(b) / TICKS) for a, b in edges.reshape(-1, 2)]
    return tuple(sorted(sorted(spans, key=lambda span: span[0] - span[1])[:N_SPANS]))


def number_of_players(reading: Mapping[str, Any]) -> np.ndarray:
    """Probabilities that 0, 1, 2, ... players sound, each lane on its own."""
    counts = np.ones(1)
    for lane in reading["lanes"]:
        share = min(lane["sounds"], 1.0)
        counts = np.convolve(counts, [1 - share, share])
    return counts
