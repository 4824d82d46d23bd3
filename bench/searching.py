"""Search measured as retrieval on rendered clips: the table of docs/search.md.

    python bench/searching.py --data DATA --features FEATURES [--split test] [--run FOLDER]

Queries: each instrument alone, with each other one, solo and not; numbers of players; speech,
outdoors. A query counts if at least three clips fit it and three do not. Mean average precision
(area under the curve of precision, one value a query, then the mean) of the readings; of tags alone
(that each instrument is heard by the AudioSet classes of YAMNet; other terms tell nothing); and of
chance (the share of clips that fit).
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import Any

import numpy as np

from musicavqa.ask.documents import in_short
from musicavqa.ask.lanes import score_of
from musicavqa.ask.query import Term
from musicavqa.ask.searching import rank
from musicavqa.bandstand.truth import read_truth
from musicavqa.features.encoders.audio_yamnet import EMBEDDING
from musicavqa.features.streams import open_streams
from musicavqa.methods.layers.tag_hearing import heard, tag_strengths
from musicavqa.questions import INSTRUMENTS
from musicavqa.rules.facts import Facts
from reading_scene import options, readings

LEAST = 3


def queries() -> dict[str, list[tuple[Term, ...]]]:
    """By kind."""
    found: dict[str, list[tuple[Term, ...]]] = defaultdict(list)
    for name in INSTRUMENTS:
        one = Term("instrument", name)
        found["an instrument"].append((one,))
        found["solo of an instrument"].append((Term("players", 1), one))
        found["without an instrument"].append((Term("instrument", name, negated=True),))
    for pair in combinations(INSTRUMENTS, 2):
        found["two instruments"].append(tuple(Term("instrument", name) for name in pair))
    found["number of players"] = [(Term("players", n),) for n in range(1, 5)]
    found["speech"] = [(Term("voice"),)]
    found["outdoors"] = [(Term("outdoor"),)]
    return found


def holds(facts: Facts, term: Term) -> bool:
    """By the truth of the scene."""
    heard = [player.instrument for player in facts.heard]
    found = {
        "instrument": term.value in heard,
        "players": len(heard) == term.value,
        "voice": facts.voiceover,
        "outdoor": facts.place == "outdoor",
    }[term.kind]
    return bool(found) != term.negated


def average_precision(scores: np.ndarray, true: np.ndarray) -> float:
    """Of a ranking; equal scores are drawn in the order that is worst."""
    order = np.lexsort((true, -scores))
    ranked = true[order]
    precision = ranked.cumsum() / np.arange(1, len(ranked) + 1)
    return float(precision[ranked > 0].mean())


def main() -> None:
    given = options(__doc__).parse_args()
    documents: list[dict[str, Any]] = []
    facts: list[Facts] = []
    for clip, reading in readings(given.data, given.features, given.split, given.run, given.clips):
        assert clip.scene is not None
        about = in_short(score_of(reading))
        documents.append({"file": clip.id, "reading": about})
        facts.append(read_truth(clip.scene))
    store = open_streams(given.features, ["audio_yamnet"])["audio_yamnet"]
    tags = np.stack(
        [heard(tag_strengths(store[document["file"]][:, EMBEDDING:])) for document in documents]
    )
    print(f"| queries | readings, mAP | tags alone | chance | n ({len(documents)} clips) |")
    print("|---|---|---|---|---|")
    for kind, asked in queries().items():
        rows = []
        for terms in asked:
            true = np.array([all(holds(fact, term) for term in terms) for fact in facts])
            if not LEAST <= true.sum() <= len(true) - LEAST:
                continue
            scores = {hit.file: hit.score for hit in rank(documents, terms)}
            ours = np.array([scores[document["file"]] for document in documents])
            theirs = _by_tags(tags, terms)
            precisions = [average_precision(said, true) for said in (ours, theirs)]
            rows.append((*precisions, true.mean()))
        if rows:
            means = " | ".join(f"{value:.3f}" for value in np.mean(rows, 0))
            print(f"| {kind} | {means} | {len(rows)} |")


def _by_tags(tags: np.ndarray, terms: tuple[Term, ...]) -> np.ndarray:
    """Product over the instruments of a query of what tags say of them."""
    scores = np.ones(len(tags))
    for term in terms:
        if term.kind == "instrument":
            share = tags[:, INSTRUMENTS.index(str(term.value))]
            scores = scores * (1 - share if term.negated else share)
    return scores


if __name__ == "__main__":
    main()
