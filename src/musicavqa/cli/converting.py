"""`convert`: official weights become a run folder of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from musicavqa.cli.shared import app
from musicavqa.terminal import say


@app.command()
def convert(
    method: Annotated[str, typer.Argument(help="A method name, or a path to your own .py file.")],
    checkpoint: Annotated[Path, typer.Argument(help="The official file (.pt, .pth, .ckpt).")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    options: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, put into the paper's options; repeatable.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(help="Official word list; default: MUSIC-AVQA's 93.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Official answer list; default: MUSIC-AVQA's 42.")
    ] = None,
) -> None:
    """Convert an official checkpoint: safetensors with our words and answers, to predict with."""
    from musicavqa.methods import conversion
    from musicavqa.methods.registry import load_method

    lists: dict[str, Any] = {"words": words, "answers": answers}
    given = {name: conversion.read_list(path) for name, path in lists.items() if path is not None}
    values = _values(load_method(method).module.Options, options or [])
    done = conversion.convert(method, checkpoint, out, values, **given)
    say(done.folder)
    notes = [f"{done.n_parameters:,} parameters, {done.n_left_behind} unused tensors left behind"]
    if done.words_left_out:
        notes.append(f"{len(done.words_left_out)} words that no template has left out")
    say("; ".join(notes), error=True)


def _values(options: type, texts: list[str]) -> dict[str, Any]:
    from typing import get_type_hints

    hints, values = get_type_hints(options), {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--options takes NAME=VALUE, got {text!r}.")
        values[name] = _value(name, hints[name], value) if name in hints else value
    return values


def _value(name: str, hint: Any, text: str) -> Any:
    """The value that `text` stands for, of the type the option has."""
    import json
    from types import NoneType
    from typing import Literal, get_args, get_origin

    kinds = get_args(hint) if get_origin(hint) is not tuple else (tuple,)
    kinds = kinds or (hint,)
    if NoneType in kinds and text.lower() == "none":
        return None
    if get_origin(hint) is Literal or str in kinds:
        if str not in kinds and text not in kinds:
            raise ValueError(f"{name} is one of {', '.join(map(repr, kinds))}, got {text!r}.")
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if type(value) is int and float in kinds:
        return float(value)
    if type(value) in kinds or (isinstance(value, list) and tuple in kinds):
        return value
    wanted = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise ValueError(f"{name} takes {wanted}, got {text!r}.")
