"""A leaderboard as tables for people: on the terminal, in Markdown, on the report's page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from musicavqa.catalog.schema import COLUMN_OF
from musicavqa.metrics.bootstrap import Interval
from musicavqa.scoring.leaderboard import Board, Leaderboard, Ranked, Table
from musicavqa.scoring.per_question import OUTCOMES, PerQuestion
from musicavqa.scoring.rank_changes import RankChange
from musicavqa.scoring.reproduced import Reproduced
from musicavqa.scoring.standings import Pair, Standing

SCORES = ("avg", "a_avg", "v_avg", "av_avg")
SHOWN_AS = {"avg": "overall", "a_avg": "A", "v_avg": "V", "av_avg": "AV"}
_FEW_KEYS = 5


@dataclass(frozen=True)
class Shown:
    """One table with what to say about it."""

    title: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    notes: list[str]
    ours: list[int]
    """Numbers of the rows that are our own."""
    aside: bool = False
    """Not asked for: nothing in it is ours."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


KIND = "musicavqa leaderboard"
"""By which the report's page knows the file."""


def as_json(found: Leaderboard) -> dict[str, Any]:
    """All numbers, and under 'tables' what the report's page shows of them."""
    tables = [table.as_dict() for table in shown(found)]
    return {"kind": KIND, **found.as_dict(), "tables": tables}


def shown(found: Leaderboard) -> list[Shown]:
    """Every table of every board, in the order in which they are read."""
    tables = []
    for board in found.boards:
        tables += [_standings(board, table) for table in board.tables]
        if board.pairs:
            tables.append(_pairs(board))
        if board.per_question:
            tables.append(_per_question(board, board.per_question))
        if board.reproduced:
            tables.append(_reproduced(board))
    return [*tables, *(_rank_change(change) for change in found.rank_changes)]


def _standings(board: Board, table: Table) -> Shown:
    rows = [_own(row) if row.own else _published(row) for row in table.rows]
    ours = [place for place, row in enumerate(table.rows) if row.own]
    for row in rows:
        row["questions"] = table.protocol.questions
        row["training"] = table.protocol.training or None
    columns = ["rank", "method", *SHOWN_AS.values()]
    columns += [
        "interval",
        "places",
        "seeds",
        "spread",
        "parameters",
        "features",
        "unanswered",
        "questions",
        "training",
    ]
    optional = [name for name in columns if any(row.get(name) is not None for row in rows)]
    return Shown(
        title=f"{board.asked}: {table.protocol}",
        columns=(*optional, "source", "flags"),
        rows=rows,
        notes=_standing_notes(table),
        ours=ours,
        aside=not ours,
    )


def _standing_notes(table: Table) -> list[str]:
    if not table.protocol.known:
        return ["Not ranked: the protocol is not fully known, so nothing is known to be like it."]
    own = sum(row.own is not None for row in table.rows)
    notes = []
    if 0 < own < len(table.rows):
        notes.append("Published values have no interval: a rank beside them is of numbers alone.")
    if own > 1:
        notes.append("places: those of our rows that no significant difference speaks against.")
    return notes


def _own(row: Ranked) -> dict[str, Any]:
    assert row.own is not None
    standing, system = row.own, row.own.system
    scores = {
        SHOWN_AS[COLUMN_OF[group]]: interval.mean
        for group, interval in standing.groups.items()
        if COLUMN_OF[group] in SHOWN_AS
    }
    lost = system.n_unreadable + system.n_without_media
    return {
        "rank": row.rank,
        "method": standing.name,
        **scores,
        "interval": between(standing.groups["overall"]),
        "places": "-".join(str(place) for place in dict.fromkeys(standing.places)),
        "seeds": len(system.files),
        "spread": standing.seeds and standing.seeds.spread,
        "parameters": system.parameters,
        "features": origin(standing),
        "unanswered": lost or None,
        "source": "this board",
        "flags": [*(["prior"] if standing.is_prior else []), *_weights(standing)],
    }


def _published(row: Ranked) -> dict[str, Any]:
    assert row.published is not None
    result = row.published
    scores = {SHOWN_AS[name]: result.scores.get(name) for name in SCORES}
    flags = list(dict.fromkeys([*result.flags, *row.doubts]))
    return {"rank": row.rank, "method": result.name, **scores,
            "source": result.source, "flags": flags}  # fmt: skip


def _pairs(board: Board) -> Shown:
    rows = [_pair(pair) for pair in board.pairs]
    return Shown(
        title=f"{board.asked}: paired differences",
        columns=tuple(rows[0]),
        rows=rows,
        notes=[f"Holm over {len(rows)} pairs; a sure difference has p below 0.05 after it."],
        ours=[],
    )


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "better": pair.better,
        "worse": pair.worse,
        "points": pair.difference.mean,
        "95 % interval": between(pair.difference),
        "p": p_value(pair.difference.p_value),
        "p (Holm)": p_value(pair.adjusted),
        "sure": pair.sure,
    }


def _per_question(board: Board, found: PerQuestion) -> Shown:
    notes = [
        f"Listening: {', '.join(found.listening)}. Priors: {', '.join(found.priors) or 'none'}.",
        f"{board.prior_note}.",
        f"If errors in a cell were independent, all would fail on {found.expected_all_wrong:.1f}.",
    ]
    for outcome in ("all wrong", "only priors right"):
        keys = found.keys(outcome)
        more = f" and {len(keys) - _FEW_KEYS:,} more" if len(keys) > _FEW_KEYS else ""
        if keys:
            notes.append(f"{outcome}: {', '.join(keys[:_FEW_KEYS])}{more}")
    title = f"{board.asked}: question by question"
    return Shown(title, ("cell", "asked", *OUTCOMES), found.counts(), notes, [])


def _reproduced(board: Board) -> Shown:
    rows = [_beside(item) for item in board.reproduced]
    taken = sum(item.agrees is not None for item in board.reproduced)
    return Shown(
        title=f"{board.asked}: published against reproduced",
        columns=tuple(rows[0]),
        rows=rows,
        notes=[f"{taken} of {len(rows)} published rows are of this protocol. The interval is that "
               "of our side alone; a printed value has none."],
        ours=[],
    )  # fmt: skip


def _beside(item: Reproduced) -> dict[str, Any]:
    found, standing = item.differences.get("avg"), item.standing
    return {
        "method": standing.name,
        "published": item.row.scores["avg"],
        "ours": standing.overall,
        "difference": found and f"{found.mean:+.2f}",
        "95 % interval": found and between(found),
        "agrees": item.agrees,
        "seeds": len(standing.system.files),
        "weights": standing.weights,
        "features": origin(standing),
        "source": f"{item.row.name}, {item.row.kind}: {item.row.source}",
        "no difference": item.why_not,
    }


def _rank_change(change: RankChange) -> Shown:
    rows = [
        {
            "method": place.name,
            change.first: place.accuracies[0],
            change.second: place.accuracies[1],
            "rank there": f"{place.ranks[0]} -> {place.ranks[1]}",
            "won": f"{place.change:+d}" if place.change else "0",
        }
        for place in change.places
    ]
    return Shown(
        title=f"Order on {change.first} and on {change.second}",
        columns=tuple(rows[0]),
        rows=rows,
        notes=list(_change_notes(change)),
        ours=[],
    )


def _change_notes(change: RankChange) -> Iterator[str]:
    if change.tau is not None:
        yield f"Kendall's tau-b {change.tau:.2f}; pairs that turn round: {change.reversals}."
    sure = [f"{ahead} and {behind}" for ahead, behind in change.sure_reversals]
    yield f"Significant on both sets: {', '.join(sure) or 'none of them'}."


def origin(standing: Standing) -> str | None:
    """Where the features are from, streams of one origin together; None where nobody noted it."""
    streams: dict[str, list[str]] = {}
    for name, source in standing.features.items():
        streams.setdefault(source.partition(" (")[0], []).append(name)
    told = [f"{source}: {', '.join(names)}" for source, names in streams.items()]
    return "; ".join(told) or None


def between(interval: Interval) -> str:
    """Both ends."""
    return f"{interval.low:.2f} to {interval.high:.2f}"


def p_value(value: float | None) -> str:
    """Four digits, or below 0.0001."""
    return "" if value is None else "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _weights(standing: Standing) -> Sequence[str]:
    return ["official weights"] if standing.weights == "official" else []
