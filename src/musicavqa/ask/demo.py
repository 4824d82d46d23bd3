"""The demonstration of `make demo`: render clips nobody trained on, read, ask, show, compare."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from musicavqa.questions import CELLS, fill, template
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.ask.asking import Performance

N_CLIPS = 3
FIRST_INDEX = 900_000
"""Scenes of the split `test` far behind those that are scored."""


@dataclass(frozen=True)
class Asked:
    """One question of the demonstration and the truth about it."""

    clip: int
    cell: str
    question: str
    truth: str


def main(folder: Path = Path("demo")) -> None:
    """Render, read, ask one question of each of the nine cells; print and draw it all."""
    from rich.console import Console
    from rich.table import Table

    from musicavqa.ask.asking import CAVEAT, listen_and_look
    from musicavqa.ask.timeline import draw
    from musicavqa.bandstand.render import render
    from musicavqa.bandstand.scene import sample_scene

    folder.mkdir(parents=True, exist_ok=True)
    scenes = [sample_scene("test", FIRST_INDEX + i) for i in range(N_CLIPS)]
    clips = [folder / f"clip-{i + 1}.mp4" for i in range(N_CLIPS)]
    for scene, clip in zip(scenes, clips, strict=True):
        say(f"rendering {clip}", error=True)
        render(scene, clip)
    say("decoding and encoding", error=True)
    performances = [listen_and_look(clip) for clip in clips]
    _show_readings(clips, performances)
    table = Table("clip", "cell", "question", "answer", "truth", "confidence", "evidence")
    n_right = 0
    chosen = choose(scenes)
    for asked in chosen:
        performance = performances[asked.clip]
        reply = performance.ask([asked.question])[0]
        picture = folder / f"evidence-{asked.cell}.png"
        draw(performance, reply, picture)
        right = reply.answer == asked.truth
        n_right += right
        answer = f"[{'green' if right else 'red'}]{reply.answer}"
        row = (clips[asked.clip].name, asked.cell, asked.question, answer, asked.truth)
        table.add_row(*row, f"{reply.confidence:.0%}", picture.name)
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    say(f"{n_right} of {len(chosen)} right. Clips and evidence are in {folder.resolve()}")
    say(CAVEAT)


def _show_readings(clips: Sequence[Path], performances: Sequence[Performance]) -> None:
    """The score of each clip, drawn beside it; the first one is printed, too."""
    from musicavqa.ask.lanes import score_of
    from musicavqa.ask.music import read_music
    from musicavqa.ask.reading import reading_in
    from musicavqa.ask.score_picture import draw_score
    from musicavqa.ask.score_text import written
    from musicavqa.media import LIMITS

    for number, (clip, performance) in enumerate(zip(clips, performances, strict=True)):
        reading, account = reading_in(performance), performance.account
        score = score_of(reading)
        draw_score(score, performance.shown, account.aspect, clip.with_suffix(".png"))
        if number == 0:
            music = read_music(clip, account, reading.has_sound, LIMITS)
            print(f"{clip.name}\n{written(score, music, width=100)}\n")


def choose(scenes: list[dict]) -> list[Asked]:
    """One question of each cell, clips in turn, templates and answers as different as they come."""
    from musicavqa.bandstand.asked import questions

    offered = [
        Asked(clip, template(number).cell, fill(number, slots).strip(), truth)
        for clip, scene in enumerate(scenes)
        for number, slots, truth in questions(scene)
    ]
    chosen: list[Asked] = []
    for place, cell in enumerate(CELLS):
        fitting = [asked for asked in offered if asked.cell == cell]
        if not fitting:
            raise ValueError(f"None of the {len(scenes)} clips allows a question of {cell}.")
        taken = {asked.truth for asked in chosen}
        chosen.append(min(fitting, key=lambda a: (a.clip != place % len(scenes), a.truth in taken)))
    return chosen


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
