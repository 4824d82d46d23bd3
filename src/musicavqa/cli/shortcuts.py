"""`shortcuts`: what all runs of a folder do without sound, picture, time, or anything but words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicavqa.cli.numbers import between, p_value
from musicavqa.cli.progress import progress
from musicavqa.cli.shared import (
    AnsweredSet,
    AnsweredSplit,
    Data,
    Device,
    Features,
    Json,
    MethodFile,
    app,
    told_counts,
)
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.scoring.shortcuts import Shortcuts, SystemShortcuts


@app.command()
def shortcuts(
    places: Annotated[list[Path], typer.Argument(help="Folders of runs, or run folders.")],
    data: Data = Path("bandstand-data"),
    features: Features = "features",
    split: AnsweredSplit = None,
    set_name: AnsweredSet = None,
    seed: Annotated[int, typer.Option(help="Of swapped sound and shuffled seconds.")] = 0,
    hard: Annotated[
        Path | None, typer.Option(help="File to write: keys that no shortcut answers.")
    ] = None,
    method_file: MethodFile = None,
    device: Device = "cpu",
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """One table for all runs: one frame, muted, swapped, shuffled, question only; who listens."""
    from musicavqa import many_runs

    with told_counts(), progress("disturbing", "runs") as tell:
        found = many_runs.shortcuts(
            places, data, features, split, set_name,
            seed=seed, progress=tell, method_file=method_file, device=device,
        )  # fmt: skip
    if hard is not None:
        _write_hard(found, hard)
    if as_json:
        say(json.dumps(found.as_dict(), indent=1))
        return
    say(_tables(found, "markdown" if as_markdown else "aligned"))


def _tables(found: Shortcuts, how: Any) -> str:
    from musicavqa.reports.tables import render
    from musicavqa.scoring.disturbances import DISTURBANCES

    accuracies = [_row(system) for system in found.systems]
    kinds = [kind for kind in DISTURBANCES if any(kind in row for row in accuracies)]
    claims = [row for system in found.systems for row in _claims(system)]
    about = f"{found.asked}: {len(found.questions):,} questions, {found.n_clips:,} clips"
    return "\n".join(
        [
            about,
            "",
            render(("method", "seeds", "undisturbed", *kinds), accuracies, how),
            "",
            "Accuracy in %; *: points are lost or won, p below 0.05 after Holm over all drops; -: "
            "cannot be tried.",
            "",
            render(("method", "claim", "shown", "lost", "95 % interval", "p (Holm)", "by"), claims,
                   how),
            "",
            f"Hard: {len(found.hard):,} questions are answered by no shortcut (one frame, or the "
            "question alone).",
        ]
    )  # fmt: skip


def _row(system: SystemShortcuts) -> dict[str, Any]:
    row: dict[str, Any] = {"method": system.name, "seeds": len(system.files)}
    row["undisturbed"] = f"{system.undisturbed.mean:.1f}"
    for kind, drop in system.drops.items():
        row[kind] = f"{drop.accuracy.mean:.1f}{'*' if drop.adjusted < 0.05 else ''}"
    return row | dict.fromkeys(system.left_out, "-")


def _claims(system: SystemShortcuts) -> list[dict[str, Any]]:
    return [
        {
            "method": system.name,
            "claim": claim.name,
            "shown": {True: "yes", False: "not shown", None: "not tried"}[claim.shown],
            "lost": claim.drop and f"{claim.drop.mean:+.2f}",
            "95 % interval": claim.drop and between(claim.drop),
            "p (Holm)": p_value(claim.adjusted).strip(),
            "by": claim.by if claim.drop else f"{claim.by}: {claim.why_not}",
        }
        for claim in system.claims
    ]


def _write_hard(found: Shortcuts, path: Path) -> None:
    from musicavqa.scoring.hard import counts, write_keys

    if not found.hard:
        raise ValueError("No question is hard, or no run takes a shortcut; nothing is written.")
    write_keys(path, found.hard)
    kept = counts(found.questions, found.hard)
    told = ", ".join(f"{cell} {n} of {asked}" for cell, (n, asked) in kept.items())
    say(f"hard: {path}: {len(found.hard)} of {len(found.questions)} ({told})", error=True)
