"""Verbs over all runs of a folder; each run goes through a verb of `workflow`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musicavqa.scoring.shortcuts import Shortcuts


def shortcuts(
    places: Sequence[Path],
    data: Path,
    features: Path | str = "features",
    split: str | None = None,
    set_name: str | None = None,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    method_file: Path | None = None,
    device: str = "cpu",
) -> Shortcuts:
    """Answer the same questions by all runs at or under `places` with every sense disturbed.

    Answers that `robustness` made count and are not made again. ValueError where the runs answer
    different sets, or where there is none.
    """
    from musicavqa import workflow
    from musicavqa.devices import check_device
    from musicavqa.scoring.shortcuts import answers_of, find_runs, shortcuts_of
    from musicavqa.training import runs

    check_device(device)
    folders = find_runs([Path(place) for place in places])
    asked = {run: runs.answered(run, set_name, split) for run in folders}
    names = sorted({(found.set_name, found.split) for found in asked.values()})
    if len(names) > 1:
        raise ValueError(f"These runs answer {names[0][0]} and {names[1][0]}; say --set for one.")
    name, part = names[0]
    questions = workflow.Part(name, Path(data), part).questions()
    rows = []
    for done, run in enumerate(folders, start=1):
        found = workflow.robustness(
            run, data, features, part,
            seed=seed, set_name=name, method_file=method_file, device=device,
        )  # fmt: skip
        assert found.stress is not None  # of a run folder there always is one
        rows.append(answers_of(asked[run].path, questions, found.stress))
        if progress is not None:
            progress(done, len(folders))
    return shortcuts_of(rows, questions, f"{name}/{part}", seed)
