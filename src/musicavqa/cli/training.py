"""`train` and `predict`: from stored streams to a prediction file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from musicavqa.cli.progress import progress
from musicavqa.cli.shared import (
    Data,
    Device,
    DropLeaks,
    Features,
    MethodFile,
    OptionsFile,
    RecipeName,
    app,
    set_and_changes,
    told_counts,
)
from musicavqa.terminal import say


@app.command()
def train(
    method: Annotated[str, typer.Argument(help="A method name, or a path to your own .py file.")],
    data: Data = Path("bandstand-data"),
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    features: Features = "features",
    recipe: RecipeName = "default",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="The data set (musicavqa data list), or NAME=VALUE: an option, recipe.NAME or "
            "stages.STAGE.NAME (musicavqa methods show METHOD). May be given again.",
        ),
    ] = None,
    options: OptionsFile = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of weights and order; default: the recipe's.")
    ] = None,
    mute: Annotated[
        list[str] | None, typer.Option(help="'audio' or 'visual': train without that sense.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    device: Device = "cpu",
    split: Annotated[str, typer.Option(help="The split to train on.")] = "train",
    validation: Annotated[str, typer.Option(help="The split to validate on.")] = "val",
    unseen: Annotated[
        list[str] | None,
        typer.Option(help="What will be tested on, as SET:SPLIT or SET:SPLIT:FOLDER."),
    ] = None,
    drop_leaks: DropLeaks = False,
    plugin: Annotated[
        list[str] | None, typer.Option(help="Plug-ins of training, see docs/plugins.md.")
    ] = None,
    add_streams: Annotated[
        str | None, typer.Option(help="music_* streams beside the sound: music_onsets,music_chroma")
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(help="tensorboard or wandb: the numbers of log.jsonl go there, too."),
    ] = None,
) -> None:
    """Train a method with one of its recipes; a killed run goes on where it stopped."""
    from musicavqa import workflow

    set_name, changes = set_and_changes(settings or [], options)
    with told_counts(), progress(f"training {method}", "steps") as tell:
        folder = workflow.train(
            method,
            data,
            features,
            out,
            recipe=recipe,
            options=changes,
            seed=seed,
            mute=tuple(mute or ()),
            epochs=epochs,
            device=device,
            set_name=set_name or "bandstand",
            splits=(split, validation),
            unseen=[_part(text, data) for text in unseen or ()],
            drop_leaks=drop_leaks,
            plugins=tuple(plugin or ()),
            add_streams=tuple(add_streams.split(",")) if add_streams else (),
            writers=tuple(log or ()),
            tell=tell,
        )
    if os.environ.get("RANK", "0") == "0":  # of several processes, one speaks
        say(folder)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="A run folder made by `train`.")],
    data: Data = Path("bandstand-data"),
    features: Features = "features",
    split: Annotated[str, typer.Option(help="The split to answer.")] = "test",
    set_name: Annotated[
        str | None, typer.Option("--set", help="Data set; default: the one of the run.")
    ] = None,
    drop_leaks: DropLeaks = False,
    method_file: MethodFile = None,
    device: Device = "cpu",
) -> None:
    """Answer every question of a split: predictions.<split>.jsonl in the run folder."""
    from musicavqa import workflow

    with told_counts(), progress("answering", "questions") as tell:
        path = workflow.predict(
            run, data, features, split, set_name, drop_leaks, method_file, device, tell
        )
    say(path)


def _part(text: str, data: Path) -> Any:
    from musicavqa.workflow import Part

    name, _, rest = text.partition(":")
    split, _, folder = rest.partition(":")
    if not split:
        raise ValueError(f"--unseen takes SET:SPLIT or SET:SPLIT:FOLDER, got {text!r}.")
    return Part(name, Path(folder) if folder else data, split)
