"""Two encoders walked side by side, with adapters that let each see the other at every block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from musicavqa.backbones.tower import Tower
from musicavqa.methods.layers.adapters import Shape, official_adapter

Make = Callable[[Shape, bool], nn.Module]
"""(sizes, whether it is one for the eye) -> an adapter."""


@dataclass(frozen=True)
class Step:
    """One block of the eye, the block of the ear that it is walked with, and their adapters."""

    eye: int
    ear: int | None
    adapters: int | None


def steps(ear: Tower, eye: Tower, skip_every: int = 1) -> Iterator[Step]:
    """Blocks in order, stage by stage; where the eye has k times as many, each k-th has a partner.

    Partners meet in adapters, but in every `skip_every`-th stage where that is more than 1.
    """
    n_adapters = 0
    for stage in range(1 + eye.places[-1].stage):
        mine, theirs = (
            [i for i, place in enumerate(tower.places) if place.stage == stage]
            for tower in (eye, ear)
        )
        if not theirs or len(mine) % len(theirs):
            raise ValueError(
                f"Stage {stage} has {len(mine)} blocks of the eye and {len(theirs)} of the ear; "
                "they cannot be paired."
            )
        each = len(mine) // len(theirs)
        for number, i in enumerate(mine, start=1):
            if number % each:
                yield Step(i, None, None)
                continue
            skipped = skip_every > 1 and (stage + 1) % skip_every == 0
            yield Step(i, theirs[number // each - 1], None if skipped else n_adapters)
            n_adapters += not skipped


class Meetings(nn.Module):
    """The adapters of all steps: around attention (`ear_1`, `eye_1`), around thinking (`_2`)."""

    def __init__(self, ear: Tower, eye: Tower, make: Make, skip_every: int = 1) -> None:
        super().__init__()
        self.plan = tuple(steps(ear, eye, skip_every))
        meet = [step for step in self.plan if step.adapters is not None]
        for name in ("ear_1", "eye_1", "ear_2", "eye_2"):
            is_eye = name.startswith("eye")
            made = [make(_shape(ear, eye, step, is_eye), is_eye) for step in meet]
            setattr(self, name, nn.ModuleList(made))

    def walk(
        self, ear: Tower, eye: Tower, heard: Tensor, seen: Tensor, whole: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Tokens (N, P, D) of both behind their last block, and what the ear's last adapter said.

        `whole`: the ear's blocks run undivided, and both of its adapters add to what they give.
        """
        said = None
        for step in self.plan:
            if step.adapters is None:
                seen = eye.block(step.eye, seen)
                heard = heard if step.ear is None else ear.block(step.ear, heard)
            else:
                heard, seen, said = self._meet(ear, eye, heard, seen, step, whole)
            seen = eye.after(step.eye, seen)
            heard = heard if step.ear is None else ear.after(step.ear, heard)
        return heard, seen, said

    def _meet(
        self, ear: Tower, eye: Tower, heard: Tensor, seen: Tensor, step: Step, whole: bool
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        assert step.ear is not None
        to_heard, to_seen, _ = self._ask(1, step, heard, seen)
        seen = seen + eye.attend(step.eye, seen) + to_seen
        own = ear.block(step.ear, heard) if whole else heard + ear.attend(step.ear, heard)
        heard = own + to_heard
        to_heard, to_seen, said = self._ask(2, step, heard, seen)
        seen = seen + eye.think(step.eye, seen) + to_seen
        heard = (heard if whole else heard + ear.think(step.ear, heard)) + to_heard
        return heard, seen, said

    def _ask(
        self, half: int, step: Step, heard: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """What both adapters of a half add, and what the ear's says besides."""
        ear, eye = (getattr(self, f"{name}_{half}")[step.adapters] for name in ("ear", "eye"))
        to_heard, to_seen = ear(heard, seen), eye(seen, heard)
        said = None
        if isinstance(to_heard, tuple):
            to_heard, said = to_heard
        if isinstance(to_seen, tuple):
            to_seen = to_seen[0]
        return to_heard, to_seen, said


def _shape(ear: Tower, eye: Tower, step: Step, is_eye: bool) -> Shape:
    assert step.ear is not None
    heard, seen = ear.places[step.ear], eye.places[step.eye]
    own, other = (seen, heard) if is_eye else (heard, seen)
    return Shape(own.width, own.n_tokens, other.width, other.n_tokens)


class RealSeconds:
    """Rows (C, T, ...) <-> those (N, ...) of the seconds that clips really have.

    An encoder is the dearest part of a method, so it looks at nothing that is not there. A compiled
    graph, whose sizes must not depend on lengths, looks at everything.
    """

    def __init__(self, valid: Tensor) -> None:
        self.valid = valid
        self.all = torch.compiler.is_compiling() or bool(valid.all())

    def take(self, rows: Tensor) -> Tensor:
        return rows.flatten(0, 1) if self.all else rows[self.valid]

    def back(self, rows: Tensor) -> Tensor:
        """Zeros where there is nothing."""
        if self.all:
            return rows.unflatten(0, self.valid.shape)
        whole = rows.new_zeros(*self.valid.shape, *rows.shape[1:])
        whole[self.valid] = rows
        return whole


OFFICIAL_LISTS = {
    "audio_adapter_blocks_p1.": "meetings.ear_1.",
    "vis_adapter_blocks_p1.": "meetings.eye_1.",
    "audio_adapter_blocks_p2.": "meetings.ear_2.",
    "vis_adapter_blocks_p2.": "meetings.eye_2.",
}
"""Official key prefixes of the four lists of adapters."""


def official_meetings(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names and shapes inside the official adapters; other tensors stay as they are."""
    adapted = {}
    for key, tensor in state.items():
        begin = next((name for name in OFFICIAL_LISTS if key.startswith(name)), None)
        if begin is not None:
            number, _, inside = key[len(begin) :].partition(".")
            inside, tensor = official_adapter(inside, tensor)
            key = f"{begin}{number}.{inside}"
        adapted[key] = tensor
    return adapted
