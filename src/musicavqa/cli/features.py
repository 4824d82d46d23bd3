"""`features extract|list|verify|gc`: from videos to stored streams, and what is in a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicavqa.cli.progress import duration, progress
from musicavqa.cli.shared import (
    MAX_MEMORY,
    MAX_SECONDS,
    Address,
    Data,
    Device,
    EngineName,
    Features,
    Json,
    MaxMemory,
    MaxSeconds,
    RecipeName,
    Workers,
    app,
    limits,
    tell_first,
)
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.datasets.footage import Footage
    from musicavqa.features.extraction import Progress, Report
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
NO_NAME = "its name is not text in UTF-8, so that no store can keep it. Rename it."


@features_app.command()
def extract(
    source: SetOrFolder,
    data: Data = Path("bandstand-data"),
    out: Features = "features",
    streams: Streams = None,
    method: Annotated[
        str | None, typer.Option(help="The streams that this method reads, instead of --streams.")
    ] = None,
    recipe: RecipeName = "default",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE: an option of the method, as train takes it."),
    ] = None,
    split: Split = None,
    name: Name = None,
    workers: Workers = 1,
    engine: EngineName = "local",
    address: Address = None,
    device: Device = "cpu",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would cost in time and bytes.")
    ] = False,
    max_seconds: MaxSeconds = MAX_SECONDS,
    max_memory: MaxMemory = MAX_MEMORY,
    as_json: Json = False,
) -> None:
    """Encode every clip once for all streams; a killed run goes on. Exit code 1: clips skipped."""
    from musicavqa.datasets.footage import footage
    from musicavqa.devices import check_device
    from musicavqa.features import extraction

    chosen, most = _chosen(streams, method, recipe, settings), limits(max_seconds, max_memory)
    shown = footage(source, data, split)
    clips, set_name = shown.clips, name or shown.name
    if dry_run:
        from musicavqa.features.extraction.estimate import estimate

        plan = estimate(clips, chosen, out, set_name, most)
        _print_plan(plan, workers, as_json)
        return
    where = extraction.Engine(engine, workers, address, check_device(device))
    with progress("encoding", "clips") as tell:

        def tick(state: Progress) -> None:
            tell(state.n_done, state.n_clips, _number(state.n_skipped, "error"))

        report = extraction.extract(clips, chosen, out, set_name, where, tick, most)
    report.skipped.extend(extraction.Note(path, NO_NAME) for path in shown.unnamed)
    _tell_report(report, shown, as_json)
    if report.skipped:
        raise typer.Exit(1)


def _tell_report(report: Report, shown: Footage, as_json: bool) -> None:
    n_clips = len(shown.clips) + len(shown.unnamed)
    if shown.left_out:
        say(shown.left_out_line, error=True)
    tell_first("remarks", [f"{note.clip}: {note.text}" for note in report.notes])
    skipped = [f"{note.clip}: {note.text}" for note in report.skipped]
    tell_first(f"skipped, of {n_clips} clips", skipped)
    counts = {"clips": n_clips, "written": report.n_written, "present": report.n_present}
    if as_json:
        notes = {kind: [vars(n) for n in getattr(report, kind)] for kind in ("skipped", "notes")}
        folders = {name: str(place) for name, place in report.folders.items()}
        about = {**counts, **notes, "left_out": dict(shown.left_out), "folders": folders}
        say(json.dumps(about, indent=1))
        return
    place = next(iter(report.folders.values())).parent.parent
    counted = f"{report.n_written} arrays (clip x stream) written, {report.n_present} were there"
    say(f"{counted} already, in {place}")


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
    max_seconds: MaxSeconds = MAX_SECONDS,
    max_memory: MaxMemory = MAX_MEMORY,
    device: Device = "cpu",
) -> None:
    """Check every shard, and a sample against a fresh extraction; exit code 1 if not all is well.

    Without a data set or folder only the shards are checked: sizes, shapes, types, finite values.
    """
    from musicavqa.datasets.footage import footage
    from musicavqa.devices import check_device
    from musicavqa.features.extraction.verify import TOLERANCE, verify_features

    most = limits(max_seconds, max_memory)
    shown = footage(source, data, split) if source else None
    set_name = name or (shown.name if shown else None)
    clips = shown.clips if shown else []
    chosen = _chosen(streams, None) if streams else None
    device = check_device(device)
    found = verify_features(out, set_name, clips, chosen, sample, seed, most, device)
    for store, (n_clips, faults) in found.stores.items():
        say(f"{'FAULTY' if faults else 'whole':7} {store}: {n_clips} clips")
        for fault in faults:
            say(f"        {fault.where}: {fault.text}")
    for item in found.remade:
        told = f"differs by {item.difference:.1e} of its largest value"
        say(f"{'equal' if item.equal else 'FAULTY':7} {item.stream} of {item.clip}: {told}")
    remarks = {item.clip: item.remark for item in found.remade if item.remark}
    tell_first("remarks", [f"{clip}: {text}" for clip, text in remarks.items()])
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


def _chosen(
    streams: str | None,
    method: str | None,
    recipe: str = "default",
    settings: list[str] | None = None,
) -> list[str]:
    from musicavqa.methods.recipes import assignments
    from musicavqa.workflow import DEFAULT_METHOD, streams_read

    if streams and method:
        raise ValueError("Give --streams or --method, not both.")
    if method:
        return list(streams_read(method, recipe, assignments(settings or ())))
    if settings or recipe != "default":
        raise ValueError("--recipe and --set say how a method reads; name it with --method.")
    if streams:
        return [name.strip() for name in streams.split(",")]
    return list(streams_read(DEFAULT_METHOD))


def _print_plan(plan: Estimate, workers: int, as_json: bool) -> None:
    wall_s = plan.cpu_s / workers
    if as_json:
        streams = [vars(stream) for stream in plan.streams]
        facts = {**vars(plan), "streams": streams, "cpu_s": plan.cpu_s, "wall_s": wall_s}
        say(json.dumps({**facts, "n_bytes": plan.n_bytes}, indent=1))
        return
    say(f"{plan.n_clips} clips to decode, {duration(plan.media_s)} of media")
    say(f"{'stream':24}{'clips':>8}{'rows':>12}{'bytes':>12}{'CPU':>12}")
    say(f"{'(decoding)':24}{plan.n_clips:8}{'':12}{'':12}{duration(plan.decode_cpu_s):>12}")
    for s in plan.streams:
        size, cpu = _size(s.n_bytes), duration(s.cpu_s)
        say(f"{s.name:24}{s.n_clips:8}{s.n_rows:12}{size:>12}{cpu:>12}")
    say(f"{'together':24}{'':8}{'':12}{_size(plan.n_bytes):>12}{duration(plan.cpu_s):>12}")
    say(
        f"about {duration(wall_s)} with {_number(workers, 'worker')} on a free core each; bytes "
        f"are exact, times from {_number(plan.n_sampled, 'clip')} on this machine"
    )
    tell_first("not counted", plan.unreadable)


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _size(n_bytes: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes:.0f} B"
