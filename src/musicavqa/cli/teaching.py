"""`teach`: bandleader from renderings to a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from musicavqa.cli.progress import Tell, progress
from musicavqa.cli.shared import Workers, app
from musicavqa.terminal import say


@app.command()
def teach(
    out: Annotated[Path, typer.Argument(help="The run folder; the same again goes on.")],
    stills: Annotated[int, typer.Option(min=1, help="Pictures for the eye.")] = 4000,
    eye_passes: Annotated[int, typer.Option(min=1, help="How often each still is seen.")] = 4,
    stem_scenes: Annotated[
        int, typer.Option(min=1, help="Scenes whose players the ear hears one by one.")
    ] = 4500,
    speeches: Annotated[int, typer.Option(min=1, help="Announcements for the ear.")] = 250,
    ear_short_steps: Annotated[
        int, typer.Option(min=1, help="Steps of the ear on mixes of two seconds.")
    ] = 12_000,
    ear_steps: Annotated[
        int, typer.Option(min=1, help="Steps of the ear on mixes of ten seconds.")
    ] = 3_000,
    ear_fine_steps: Annotated[
        int, typer.Option(min=1, help="Likewise, with more weight on onsets and levels.")
    ] = 5_000,
    fit_scenes: Annotated[int, typer.Option(min=1, help="Scenes with equal instruments.")] = 700,
    fit_passes: Annotated[int, typer.Option(min=1, help="How often each of these is seen.")] = 30,
    takes: Annotated[int, typer.Option(min=1, help="Scenes, filmed and recorded.")] = 800,
    gesture_steps: Annotated[int, typer.Option(min=1, help="Steps of gestures on them.")] = 3_000,
    time_steps: Annotated[int, typer.Option(min=1, help="Steps of who sounds when.")] = 2_000,
    in_step_steps: Annotated[
        int, typer.Option(min=1, help="Steps of whether sound goes with movement.")
    ] = 2_000,
    clips: Annotated[int, typer.Option(min=1, help="Rendered clips to weigh all on.")] = 250,
    fonts: Annotated[
        Path | None, typer.Option(help="Folder of soundfonts, beside /usr/share/sounds/sf2.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and chance.")] = 0,
    workers: Workers = 1,
) -> None:
    """Teach bandleader from nothing but renderings; a killed run goes on where it stopped."""
    from musicavqa import workflow
    from musicavqa.training.lessons import Lessons

    lessons = Lessons(
        stills=stills,
        eye_passes=eye_passes,
        stem_scenes=stem_scenes,
        speeches=speeches,
        ear_short_steps=ear_short_steps,
        ear_steps=ear_steps,
        ear_fine_steps=ear_fine_steps,
        fit_scenes=fit_scenes,
        fit_passes=fit_passes,
        takes=takes,
        gesture_steps=gesture_steps,
        time_steps=time_steps,
        in_step_steps=in_step_steps,
        clips=clips,
        seed=seed,
    )
    _say_missing(fonts)
    with _stages() as tell:
        folder = workflow.teach(out, lessons, fonts=fonts, workers=workers, tell=tell)
    say(str(folder))


@contextmanager
def _stages() -> Iterator[Callable[[float, float | None, str], None]]:
    """Progress of one stage after the other; the remark is the stage."""
    with ExitStack() as shown:
        told: dict[str, Tell] = {}

        def tell(done: float, total: float | None, stage: str) -> None:
            if stage not in told:
                shown.close()
                told.clear()
                told[stage] = shown.enter_context(progress("teaching", stage))
            told[stage](done, total)

        yield tell


def _say_missing(folder: Path | None) -> None:
    """Name in one line the soundfonts that are not here, and the packages that have them."""
    from musicavqa.workflow import soundfonts

    missing = soundfonts(folder).missing
    if missing:
        names = ", ".join(f"{font.file} ({font.package})" for font in missing)
        say(f"Learned without these soundfonts, which are not here: {names}.", error=True)
