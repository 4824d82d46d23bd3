"""The command line: one verb, one command. Results on stdout, progress and errors on stderr.

Exit codes: 0 done, 1 the question or the data could not be used, 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Ask a music performance a question, from its picture and its sound.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Data = Annotated[Path, typer.Option(help="Folder of the rendered data (made by `render`).")]
Features = Annotated[Path, typer.Option(help="Folder of the feature store (made by `features`).")]
Workers = Annotated[int, typer.Option(min=1, help="Processes to use.")]


def main() -> None:
    """Entry point: errors a user can mend become one line and exit code 1."""
    try:
        app()
    except (ValueError, OSError, ImportError) as error:
        print(f"musicavqa: {_one_line(error)}", file=sys.stderr)
        sys.exit(1)


@app.command()
def ask(
    video: Annotated[Path, typer.Argument(help="Any video file with sound.")],
    questions: Annotated[list[str], typer.Argument(help="One or more questions.")],
    evidence: Annotated[
        Path | None, typer.Option(help="Draw when and where (png, pdf or svg).")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Another trained run; default: the one shipped.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer questions about a performance: answer, confidence, when and where."""
    from musicavqa import asking

    _check_picture(evidence)
    performance = asking.listen_and_look(video, checkpoint or asking.DEFAULT_CHECKPOINT)
    replies = performance.ask(questions)
    pictures = _draw(performance.media, replies, evidence)
    if as_json:
        print(json.dumps([reply.as_dict() for reply in replies], indent=1))
    else:
        for reply in replies:
            print(_describe(reply))
        print(asking.caveat(replies))
    for picture in pictures:
        print(f"evidence: {picture}", file=sys.stderr if as_json else sys.stdout)
    if all(reply.answer is None for reply in replies):
        raise typer.Exit(1)


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(help="Where the clips go.")] = Path("bandstand-data"),
    split: Annotated[str, typer.Option(help="train, val, test, test-timbre, ...")] = "test",
    clips: Annotated[int, typer.Option(min=1, help="How many clips.")] = 10,
    seconds: Annotated[float, typer.Option(min=2.0, help="Length of a clip.")] = 10.0,
    per_template: Annotated[
        int | None, typer.Option(help="At most so many questions each.")
    ] = None,
    workers: Workers = 1,
    sheet: Annotated[
        Path | None, typer.Option(help="Only draw the contact sheet of all instruments here.")
    ] = None,
) -> None:
    """Render performances with exact truth, and the questions about them."""
    if sheet is not None:
        from musicavqa.bandstand.sheet import draw_sheet

        draw_sheet(sheet)
        print(sheet)
        return
    from musicavqa.bandstand.produce import produce

    with _progress(f"rendering {split}") as tick:
        made = produce(
            folder,
            split,
            clips,
            per_template=per_template,
            workers=workers,
            duration_s=seconds,
            progress=tick,
        )
    print(made)


@app.command()
def features(
    data: Data = Path("bandstand-data"),
    out: Features = Path("features"),
    split: Annotated[list[str] | None, typer.Option(help="Splits; default: all there are.")] = None,
    encoder: Annotated[
        list[str] | None, typer.Option(help="Encoders; default: what bandleader reads.")
    ] = None,
    workers: Workers = 1,
) -> None:
    """Encode every clip once, resumable: one decode for all encoders."""
    from musicavqa import workflow

    with _progress("encoding") as tick:
        report = workflow.extract_features(data, out, split, encoder, workers, tick)
    for note in [*report.skipped, *report.notes]:
        print(f"{note.clip}: {note.text}", file=sys.stderr)
    print(f"{report.n_written} rows written, {report.n_present} were there already, in {out}")
    if report.skipped:
        raise typer.Exit(1)


@app.command()
def train(
    method: Annotated[str, typer.Argument(help="A method name, or a path to your own .py file.")],
    data: Data = Path("bandstand-data"),
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    features: Features = Path("features"),
    seed: Annotated[int, typer.Option(help="Seed of weights and order.")] = 0,
    mute: Annotated[
        list[str] | None, typer.Option(help="'audio' or 'visual': train without that sense.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Train a method with its recipe; a killed run goes on where it stopped."""
    from musicavqa import workflow

    muted = tuple(mute or ())
    print(
        workflow.train(
            method, data, features, out, seed=seed, mute=muted, epochs=epochs, device=device
        )
    )


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="A run folder made by `train`.")],
    data: Data = Path("bandstand-data"),
    features: Features = Path("features"),
    split: Annotated[str, typer.Option(help="The split to answer.")] = "test",
) -> None:
    """Answer every question of a split: predictions.<split>.jsonl in the run folder."""
    from musicavqa import workflow

    print(workflow.predict(run, data, features, split))


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A predictions.<split>.jsonl file.")],
    data: Data = Path("bandstand-data"),
    split: Annotated[str, typer.Option(help="The split that was answered.")] = "test",
    as_json: Json = False,
) -> None:
    """Accuracy per cell with counts and intervals (bootstrap clustered by video)."""
    from musicavqa import workflow

    report = workflow.evaluate(predictions, data, split)
    print(json.dumps(report.as_dict(), indent=1) if as_json else report.table())


@app.command()
def doctor(
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch all weights now.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is installed and which weights are here; `--fetch` gets the missing ones."""
    from musicavqa.encoders import weights

    if fetch:
        weights.fetch_all()
    rows = weights.weight_report()
    if as_json:
        print(json.dumps(rows, indent=1, default=str))
        return
    for row in rows:
        mark = "here   " if row["present"] else "missing"
        print(f"{mark}  {row['name']:14} {row['licence']:12} {row['path']}")
    if any(not row["present"] for row in rows):
        print("Missing weights are fetched when first needed, or now: musicavqa doctor --fetch")


def _describe(reply: Any) -> str:
    if reply.answer is None:
        near = "".join(f"\n  - {text}" for text in reply.suggestions)
        return f"{reply.question}\n  I cannot answer that. The closest questions I can:{near}"
    lines = [
        reply.question,
        f"  {reply.answer}  ({reply.confidence:.0%}; "
        f"next: {reply.runner_up} {reply.runner_up_confidence:.0%})",
        f"  heard and seen mostly in seconds {reply.when[0]} to {reply.when[1]}, "
        f"picture x {reply.where[0]:.0%}-{reply.where[2]:.0%}, "
        f"y {reply.where[1]:.0%}-{reply.where[3]:.0%} (from the top left)",
    ]
    if reply.understood != reply.question:
        lines.insert(1, f"  understood as: {reply.understood}  (match {reply.similarity:.2f})")
    return "\n".join(lines)


def _check_picture(path: Path | None) -> None:
    if path is not None and path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--evidence takes a .png, .pdf or .svg file, got {path}.")


def _draw(media: Any, replies: list[Any], path: Path | None) -> list[Path]:
    if path is None:
        return []
    from musicavqa.explain.timeline import draw

    answered = [reply for reply in replies if reply.answer is not None]
    made = []
    for number, reply in enumerate(answered, start=1):
        target = path if len(answered) == 1 else path.with_stem(f"{path.stem}-{number}")
        draw(media, reply, target)
        made.append(target)
    return made


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    task = bar.add_task(what, total=None)

    def tick(done: int, total: int) -> None:
        bar.start()  # not before there is work: an error message then stands alone
        bar.update(task, completed=done, total=total)

    try:
        yield tick
    finally:
        if bar.live.is_started:
            bar.stop()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
