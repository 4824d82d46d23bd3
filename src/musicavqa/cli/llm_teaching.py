"""`llm teach`, `llm merge`, `llm convert`: language models that learn a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musicavqa.cli.llm import Model, llm_app
from musicavqa.cli.progress import progress
from musicavqa.cli.shared import Data, SetName
from musicavqa.terminal import say


@llm_app.command()
def teach(
    model: Model,
    out: Annotated[Path, typer.Argument(help="Folder of what is learned; a killed run goes on.")],
    data: Data = Path("bandstand-data"),
    set_name: SetName = "bandstand",
    split: Annotated[str, typer.Option(help="The split that is taught.")] = "train",
    prompt: Annotated[str, typer.Option(help="bare, short, vocab or typed.")] = "bare",
    sampling: Annotated[str, typer.Option(help="What is taken of a clip.")] = "fps=1",
    rank: Annotated[int, typer.Option(min=1, help="Of the matrices beside the weights.")] = 16,
    alpha: Annotated[float, typer.Option(help="They count alpha / rank.")] = 32.0,
    dropout: Annotated[float, typer.Option(help="Before them.")] = 0.05,
    bridges: Annotated[bool, typer.Option(help="Our own models' bridges learn too.")] = True,
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Questions at once.")] = 8,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches of one step.")] = 2,
    learning_rate: Annotated[float, typer.Option()] = 1e-4,
    seed: Annotated[int, typer.Option()] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
) -> None:
    """Teach a model a data set by low-rank adapters (LoRA); its own weights stay as they are."""
    from musicavqa.datasets import load_dataset
    from musicavqa.llm import teaching
    from musicavqa.llm.contract import Opening
    from musicavqa.llm.lessons import lessons_of
    from musicavqa.llm.opening import open_model
    from musicavqa.llm.prompts import preset
    from musicavqa.llm.sampling import parse_policy

    recipe = teaching.LoraRecipe(
        rank=rank, alpha=alpha, dropout=dropout, bridges=bridges, epochs=epochs, batch=batch,
        accumulate=accumulate, learning_rate=learning_rate, seed=seed,
    )  # fmt: skip
    clips, questions = load_dataset(set_name, data, split)
    name = f"{set_name} {split}"
    lessons = lessons_of(name, questions, clips, preset(prompt), parse_policy(sampling))
    if lessons.n_left_out:
        say(f"{lessons.n_left_out} questions are left out: no answer, or no clip.", error=True)
    opened = open_model(model, Opening(device))
    with progress(f"teaching {model}", "steps") as tell:
        teaching.teach(
            opened, lessons, recipe, out,
            lambda done, total, loss: tell(done, total, f"loss {loss:.3f}"),
        )  # fmt: skip
    say(f"Learned, in {out}. Next: musicavqa llm merge {model} {out} NEW_FOLDER")


@llm_app.command()
def merge(
    model: Model,
    lesson: Annotated[Path, typer.Argument(help="Folder that `llm teach` wrote.")],
    out: Annotated[Path, typer.Argument(help="Folder of the new model.")],
) -> None:
    """Write a model with what it learned in its weights, to `llm run` like any other."""
    from musicavqa.llm import teaching
    from musicavqa.llm.contract import Opening
    from musicavqa.llm.opening import open_model

    teaching.merged(open_model(model, Opening()), lesson, out)
    say(f"Written to {out}. Next: musicavqa llm run {out}")


@llm_app.command()
def convert(
    name: Annotated[str, typer.Argument(help="One of our own models: vast or videollama2.")],
    weights: Annotated[Path, typer.Argument(help="Published weights: a folder or one file.")],
    tokenizer: Annotated[Path, typer.Argument(help="Folder of its tokenizer.")],
    out: Annotated[Path, typer.Argument(help="Folder of the model.")],
) -> None:
    """Make a model's folder from published weights, which you fetched yourself."""
    from musicavqa.llm.own import convert_folder

    convert_folder(name, weights, tokenizer, out)
    say(f"Written to {out}. Next: musicavqa llm run {out}")
