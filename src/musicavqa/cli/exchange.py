"""`features import`, `export` and `compare`: features of others in, ours out, both compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicavqa.cli.features import features_app
from musicavqa.cli.progress import progress
from musicavqa.cli.shared import Data, Features, Json, tell_first
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.features.exchange.comparing import Parity
    from musicavqa.records import Clip

N_SHOWN = 6
"""Explanations and clips that are printed."""
Set = Annotated[str, typer.Argument(metavar="SET", help="The data set: musicavqa data list.")]


@features_app.command("import")
def import_(
    set_name: Set,
    source: Annotated[Path, typer.Argument(help="Folder of <clip>.npy, or an .h5 file.")],
    stream: Annotated[str, typer.Option(help="What it becomes: features list, or as published.")],
    data: Data = Path("bandstand-data"),
    out: Features = "features",
    split: Annotated[list[str] | None, typer.Option(help="Splits; default: all.")] = None,
    source_name: Annotated[
        str | None, typer.Option("--from", help="Where it is from; default: the folder's name.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length of clips whose video is not here.")
    ] = None,
    cut: Annotated[
        bool, typer.Option("--cut", help="Drop rows beyond the end of a clip (filled-up arrays).")
    ] = False,
) -> None:
    """Take features that others made, checked; exit code 1 where clips are missing or refused."""
    from musicavqa.datasets.footage import known_clips
    from musicavqa.features.exchange.importing import import_features

    clips = _with_lengths(known_clips(set_name, data, split), seconds)
    report = import_features(source, stream, clips, out, set_name, source_name, cut)
    tell_first("not in the set, left out", report.unknown)
    tell_first("missing", report.missing)
    tell_first("refused", [f"{note.clip}: {note.text}" for note in report.refused])
    counts = f"{report.n_written} clips imported, {report.n_present} were there already"
    say(f"{counts}, in {report.folder}")
    if report.missing or report.refused:
        raise typer.Exit(1)


@features_app.command()
def export(
    layout: Annotated[
        str, typer.Argument(help="avst, pstp_net, tspm, qa_tiger or hcrn (docs/features.md).")
    ],
    set_name: Set,
    to: Annotated[Path, typer.Argument(help="Folder to write to.")],
    features: Annotated[str, typer.Option("--out", help="Folder of the feature store.")] = (
        "features"
    ),
) -> None:
    """Write float32 files that an official program reads, and say which options take them."""
    from musicavqa.features.exchange.exporting import export_features
    from musicavqa.features.exchange.layouts import layout as known

    with progress(f"exporting {layout}", "files") as tell:
        done = export_features(layout, set_name, to, features, tell)
    for option, path in done.options.items():
        say(f"{option}  {path}")
    say(f"{done.n_clips} clips; {done.n_filled} were short and repeat their last row")
    say(f"layout: {known(layout).source}", error=True)


@features_app.command()
def compare(
    store: Annotated[Path, typer.Argument(help="Folder of one stream of a feature store.")],
    original: Annotated[
        Path, typer.Argument(help="Folder of <clip>.npy, an .h5 file, or another stream's folder.")
    ],
    as_json: Json = False,
) -> None:
    """How near published rows are to ours (cosine, error, shift), and what explains the rest."""
    from musicavqa.features.exchange.comparing import compare_features

    found = compare_features(store, original)
    tell_first("refused", [f"{clip}: {reason}" for clip, reason in found.refused.items()])
    say(json.dumps(found.as_dict(), indent=1) if as_json else _parity_text(found))


def _parity_text(found: Parity) -> str:
    cosine, error = found.spread("cosine"), found.spread("error")
    shifts = ", ".join(f"{shift:+d}: {n}" for shift, n in found.shifts().items())
    worst = sorted(found.clips, key=lambda clip: clip.cosine)[:N_SHOWN]
    lines = [
        f"{found.stream}: {len(found.clips)} clips on both sides, {found.same} of them the same; "
        f"{len(found.missing)} of ours are not there, {found.n_others} of theirs not here",
        f"{'':10}{'mean':>9}{'median':>9}{'worst':>9}",
        *(f"{name:10}{row['mean']:9.4f}{row['median']:9.4f}{row['worst']:9.4f}"
          for name, row in (("cosine", cosine), ("error", error))),
        f"best shift in rows, and of how many clips: {shifts}",
        "",
        found.verdict(),
        *found.remarks,
        "",
        f"{'explanation':48}{'error':>9}",
        *(f"{item!s:48}{item.error:9.4f}" for item in found.explanations[:N_SHOWN]),
        "",
        f"{'least alike':28}{'cosine':>9}{'error':>9}{'shift':>7}{'rows':>10}",
        *(f"{clip.clip:28}{clip.cosine:9.4f}{clip.error:9.4f}{clip.shift:+7d}"
          f"{f'{clip.n_ours}/{clip.n_theirs}':>10}" for clip in worst),
    ]  # fmt: skip
    return "\n".join(lines)


def _with_lengths(clips: list[Clip], seconds: float | None) -> list[Clip]:
    """Clips with the length of their file, or the given one where there is no file."""
    from musicavqa.media.length import announced_s

    found = []
    for clip in clips:
        length = clip.duration_s
        if length is None and clip.path is not None:
            length = announced_s(clip.path)
        found.append(replace(clip, duration_s=seconds if length is None else length))
    return found
