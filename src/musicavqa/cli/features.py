"""`features extract|list|verify|gc`: from videos to stored streams, and what is in a store."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicavqa.cli.shared import Data, Features, Json, Workers, app
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.features.extraction import Engine, Progress
    from musicavqa.features.extraction.estimate import Estimate

features_app = typer.Typer(
    help="Streams of pictures, sound and music: extract, list, verify, exchange.",
    no_args_is_help=True,
)
app.add_typer(features_app, name="features")

SetOrFolder = Annotated[
    str, typer.Argument(help="A data set (musicavqa data list), or a folder of videos.")
]
Streams = Annotated[
    str | None,
    typer.Option(help="Names with commas between (features list); default: what bandleader reads."),
]
Split = Annotated[list[str] | None, typer.Option(help="Splits; default: all there are.")]
Name = Annotated[
    str | None,
    typer.Option(help="Name in the store; default: the data set's, or the folder's."),
]
LINE_S = 10.0
"""Seconds between two lines of progress where stderr is no terminal."""


@features_app.command()
def extract(
    source: SetOrFolder,
    data: Data = Path("bandstand-data"),
    out: Features = "features",
    streams: Streams = None,
    method: Annotated[
        str | None, typer.Option(help="The streams that this method reads, instead of --streams.")
    ] = None,
    split: Split = None,
    name: Name = None,
    workers: Workers = 1,
    engine: Annotated[str, typer.Option(help="local (processes here), or ray (a cluster).")] = (
        "local"
    ),
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster; without it, one is started here.")
    ] = None,
    device: Annotated[str, typer.Option(help="Of the networks: cpu or cuda.")] = "cpu",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would cost in time and bytes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Encode every clip once for all streams; a killed run goes on. Exit code 1: clips skipped."""
    from musicavqa.datasets.footage import footage
    from musicavqa.features import extraction

    chosen = _chosen(streams, method)
    own_name, clips = footage(source, data, split)
    if dry_run:
        from musicavqa.features.extraction.estimate import estimate

        plan = estimate(clips, chosen, out, name or own_name)
        _print_plan(plan, workers, as_json)
        return
    where = extraction.Engine(engine, workers, address, device)
    with _progress(where) as tell:
        report = extraction.extract(clips, chosen, out, name or own_name, where, tell)
    for note in report.notes:
        say(f"{note.clip}: {note.text}", error=True)
    if report.skipped:
        say(f"skipped, {len(report.skipped)} of {len(clips)} clips:", error=True)
    for note in report.skipped:
        say(f"{note.clip}: {note.text}", error=True)
    if as_json:
        say(json.dumps(_about(report, len(clips)), indent=1))
    else:
        counts = f"{report.n_written} arrays (clip x stream) written, {report.n_present} were there"
        say(f"{counts} already, in {out}")
    if report.skipped:
        raise typer.Exit(1)


@features_app.command("list")
def list_all(as_json: Json = False) -> None:
    """Every stream: rate, shape, weights, licence, and which methods read it."""
    from musicavqa.reports.tables import render
    from musicavqa.workflow import list_streams

    found = list_streams()
    if as_json:
        say(json.dumps([stream.as_dict() for stream in found], indent=1))
        return
    columns = ("stream", "every", "row", "type", "weights", "licence", "read by")
    rows = []
    for stream in found:
        here = "here" if stream.weights_here else "MISSING"
        weights = f"{', '.join(stream.weights)}: {here}" if stream.weights else "none needed"
        shape = " x ".join(map(str, stream.shape))
        readers = ", ".join(stream.read_by) or "-"
        facts = (stream.name, stream.rate, shape, stream.dtype, weights, stream.licence, readers)
        rows.append(dict(zip(columns, facts, strict=True)))
    say(render(columns, rows))
    say("\n*: in its published form only. Sources of the weights: musicavqa features list --json")
    for line in dict.fromkeys(how for stream in found for how in stream.how):
        say(f"missing: {line}")


@features_app.command()
def verify(
    source: Annotated[
        str | None,
        typer.Argument(help="A data set or folder: its clips are sampled and made again."),
    ] = None,
    data: Data = Path("bandstand-data"),
    out: Features = "features",
    streams: Annotated[
        str | None,
        typer.Option(help="Made again; default: all that are stored and that this version makes."),
    ] = None,
    split: Split = None,
    name: Name = None,
    sample: Annotated[int, typer.Option(min=1, help="Clips to decode and encode again.")] = 3,
    seed: Annotated[int, typer.Option(help="Draws the sample.")] = 0,
) -> None:
    """Check every shard, and a sample against a fresh extraction; exit code 1 if not all is well.

    Without a data set or folder only the shards are checked: sizes, shapes, types, finite values.
    """
    from musicavqa.datasets.footage import footage
    from musicavqa.features.extraction.verify import TOLERANCE, verify_features

    own_name, clips = footage(source, data, split) if source else (None, [])
    chosen = _chosen(streams, None) if streams else None
    found = verify_features(out, name or own_name, clips, chosen, sample, seed)
    for store, (n_clips, faults) in found.stores.items():
        say(f"{'FAULTY' if faults else 'whole':7} {store}: {n_clips} clips")
        for fault in faults:
            say(f"        {fault.where}: {fault.text}")
    for item in found.remade:
        told = f"differs by {item.difference:.1e} of its largest value"
        say(f"{'equal' if item.equal else 'FAULTY':7} {item.stream} of {item.clip}: {told}")
    if found.remade:
        say(f"(equal: at most {TOLERANCE:.1e}, two steps of half precision)")
    if found.n_faults:
        raise typer.Exit(1)


@features_app.command()
def gc(
    out: Features = "features",
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it nothing is.")] = False,
) -> None:
    """Say what may go: streams of older encoders, rests of killed runs; `--yes` deletes it."""
    from musicavqa.features.extraction.tidying import tidy_features

    found = tidy_features(out, yes)
    for item in found:
        say(f"{_size(item.n_bytes):>9}  {item.folder}: {len(item.files)} files, {item.why}")
    total = _size(sum(item.n_bytes for item in found))
    say(f"{total} {'deleted' if yes else 'may go: musicavqa features gc --yes deletes it'}")


def _chosen(streams: str | None, method: str | None) -> list[str]:
    from musicavqa.methods.registry import load_method
    from musicavqa.workflow import DEFAULT_ENCODERS

    if streams and method:
        raise ValueError("Give --streams or --method, not both.")
    if method:
        return list(load_method(method).streams())
    return [name.strip() for name in streams.split(",")] if streams else list(DEFAULT_ENCODERS)


def _about(report: Any, n_clips: int) -> dict[str, Any]:
    notes = {kind: [vars(n) for n in getattr(report, kind)] for kind in ("skipped", "notes")}
    counts = {"clips": n_clips, "written": report.n_written, "present": report.n_present}
    return {**counts, **notes, "folders": {n: str(f) for n, f in report.folders.items()}}


def _print_plan(plan: Estimate, workers: int, as_json: bool) -> None:
    wall_s = plan.cpu_s / workers
    if as_json:
        streams = [vars(stream) for stream in plan.streams]
        facts = {**vars(plan), "streams": streams, "cpu_s": plan.cpu_s, "wall_s": wall_s}
        say(json.dumps({**facts, "n_bytes": plan.n_bytes}, indent=1))
        return
    say(f"{plan.n_clips} clips to decode, {_time(plan.media_s)} of media")
    say(f"{'stream':24}{'clips':>8}{'rows':>12}{'bytes':>12}{'CPU':>12}")
    say(f"{'(decoding)':24}{plan.n_clips:8}{'':12}{'':12}{_time(plan.decode_cpu_s):>12}")
    for s in plan.streams:
        size, cpu = _size(s.n_bytes), _time(s.cpu_s)
        say(f"{s.name:24}{s.n_clips:8}{s.n_rows:12}{size:>12}{cpu:>12}")
    say(f"{'together':24}{'':8}{'':12}{_size(plan.n_bytes):>12}{_time(plan.cpu_s):>12}")
    say(
        f"about {_time(wall_s)} with {_number(workers, 'worker')} on a free core each; bytes are "
        f"exact, times from {_number(plan.n_sampled, 'clip')} on this machine"
    )
    for text in plan.unreadable:
        say(f"not counted: {text}", error=True)


@contextmanager
def _progress(engine: Engine) -> Iterator[Callable[[Progress], None]]:
    """Progress on stderr: one line that is rewritten, or a line now and then in a log."""
    began, told, terminal = time.monotonic(), [0.0], sys.stderr.isatty()

    def tell(progress: Progress) -> None:
        now = time.monotonic()
        last = progress.n_done == progress.n_clips
        if progress.n_before == progress.n_clips or (
            not last and now - told[0] < (0.2 if terminal else LINE_S)
        ):
            return
        told[0] = now
        line = _line(progress, now - began)
        print(
            f"\r{line}\x1b[K" if terminal else line, end="" if terminal else "\n", file=sys.stderr
        )
        sys.stderr.flush()

    try:
        yield tell
    finally:
        if terminal and told[0]:
            print(file=sys.stderr)


def _line(progress: Progress, seconds: float) -> str:
    n_now = progress.n_done - progress.n_before
    line = f"encoding: {progress.n_done} of {progress.n_clips} clips"
    if n_now:
        left = (progress.n_clips - progress.n_done) * seconds / n_now
        line += f", {n_now / seconds:.2g} clips/s, {_time(left)} left"
    return f"{line}, {_number(progress.n_skipped, 'error')}"


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _time(seconds: float) -> str:
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _size(n_bytes: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} B"
