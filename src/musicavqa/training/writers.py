"""Where the log of a run goes besides log.jsonl: TensorBoard, Weights & Biases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

NAMES = ("tensorboard", "wandb")


class Writer(Protocol):
    """Takes the numbers of one epoch after the other."""

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Numbers by name, after epoch `step` of all stages, counted from 0."""

    def close(self) -> None:
        """The run is over, or stops here."""


def open_writers(
    names: Sequence[str], folder: Path, settings: Mapping[str, Any], begun: int
) -> list[Writer]:
    """Writers by name for the run in `folder`, of whose epochs `begun` are told already.

    ValueError for a name that is none; ImportError where its package is not installed.
    """
    for name in names:
        if name not in NAMES:
            raise ValueError(f"There is no writer {name!r}. There are: {', '.join(NAMES)}.")
    kinds: dict[str, Callable[[Path, Mapping[str, Any], int], Writer]]
    kinds = {"tensorboard": _TensorBoard, "wandb": _WeightsAndBiases}
    return [kinds[name](folder, settings, begun) for name in dict.fromkeys(names)]


def numbers_of(row: Mapping[str, Any]) -> dict[str, float]:
    """A line of log.jsonl as numbers with names such as 'losses/answer'; stages come first."""
    stage = f"{row['stage']}/" if "stage" in row else ""
    return {f"{stage}{name}": value for name, value in _flat(row)}


def _flat(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{below}", number) for below, number in _flat(value))
        elif isinstance(value, int | float) and name != "epoch":
            yield name, float(value)


class _TensorBoard:
    """Events in <run>/tensorboard."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], begun: int) -> None:
        import tensorboard  # noqa: F401  (what is missing is named by the package, not by torch)
        from torch.utils.tensorboard import SummaryWriter

        self.events = SummaryWriter(str(folder / "tensorboard"), purge_step=begun or None)

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            self.events.add_scalar(name, value, step)
        self.events.flush()

    def close(self) -> None:
        self.events.close()


class _WeightsAndBiases:
    """A run of the project 'musicavqa' that has the name of the folder; it goes on after a kill.

    What leaves this machine, and for where, is W&B's own affair: WANDB_MODE=offline keeps it here.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], begun: int) -> None:
        import wandb

        name = "-".join(folder.parts[-3:])
        self.run = wandb.init(
            project="musicavqa", name=name, id=name, resume="allow", dir=str(folder),
            config=dict(settings),
        )  # fmt: skip

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        self.run.log(dict(numbers), step=step)

    def close(self) -> None:
        self.run.finish()
