"""Eyes and ears: each learned once per seed, and run once over the clips of each split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ablation import ears, eyes
from ablation.ears import Ear
from ablation.eyes import Eye
from ablation.material import make_mixes, make_stills
from ablation.perceived import Heard, Seen, Streams, listen, load, look, save
from musicavqa.files import read_json, write_json
from musicavqa.records import Clip
from musicavqa.training.lessons.shards import Tell
from musicavqa.training.lessons.study import Desk

EYES = {
    f"eye-{name}-{says}": partial(Eye, special=name == "special", place=says == "place")
    for name in ("special", "general")
    for says in ("place", "counts")
}
EARS = {
    f"ear-{name}-{says}": partial(Ear, special=name == "special", music=says == "music")
    for name in ("special", "general")
    for says in ("music", "tags")
}


Perceived = dict[str, list[Any]]
"""Name of each part -> what it says of each clip: `Seen` of eyes, `Heard` of ears."""


@dataclass(frozen=True)
class Sizes:
    """How much is rendered, and how long each part learns."""

    stills: int = 400
    mixes: int = 400
    eye_steps: int = 100
    """Of 32 stills."""
    ear_steps: int = 200
    """Of 16 mixes."""


@dataclass(frozen=True)
class Workshop:
    """Where parts are kept, how large all is, and whom it tells."""

    folder: Path
    sizes: Sizes
    tell: Tell

    def check(self) -> None:
        """Note the sizes of a new folder; ValueError where it was begun with others."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "sizes.json"
        begun = read_json(path) if path.exists() else asdict(self.sizes)
        if begun != asdict(self.sizes):
            raise ValueError(
                f"{self.folder} was begun with {begun}, not {asdict(self.sizes)}. "
                f"Give another folder as --work."
            )
        write_json(path, begun)

    def learned(self, seed: int) -> dict[str, nn.Module]:
        """All eight parts of a seed, learned now where they are not yet."""
        desk = Desk(self.folder / f"seed-{seed}", seed, self.tell)
        desk.folder.mkdir(parents=True, exist_ok=True)
        parts: dict[str, nn.Module] = {}
        stills = make_stills(self.folder / "stills", self.sizes.stills, self.tell)
        for name, made in EYES.items():
            parts[name] = eye = _newborn(made, seed)
            eyes.learn(eye, name, stills, self.sizes.eye_steps, desk)
        mixes = make_mixes(self.folder / "mixes", self.sizes.mixes, self.tell)
        lesson = None if all(desk.finished(name).exists() for name in EARS) else ears.Lesson(mixes)
        for name, made in EARS.items():
            parts[name] = ear = _newborn(made, seed)
            ears.learn(ear, name, lesson, self.sizes.ear_steps, desk)
        return parts

    def perceived(
        self, seed: int, split: str, clips: Sequence[Clip], streams: Streams
    ) -> Perceived:
        """What each part of a seed says of these clips, kept on disk."""
        paths = {name: self.folder / f"seed-{seed}" / f"{name}-{split}.npz" for name in EYES | EARS}
        missing = [name for name, path in paths.items() if not path.exists()]
        parts = self.learned(seed) if missing else {}
        for done, name in enumerate(missing):
            say = look if name in EYES else listen
            save(paths[name], clips, say(parts[name], clips, streams))  # type: ignore[operator]
            self.tell(done + 1, len(missing), f"{split}, seed {seed}")
        return {
            name: load(path, clips, Seen if name in EYES else Heard) for name, path in paths.items()
        }

    def parameters(self) -> dict[str, int]:
        """Name of each part -> numbers that it learns."""
        parts = {name: _newborn(made, 0) for name, made in (EYES | EARS).items()}
        return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


def _newborn(made: Callable[[], nn.Module], seed: int):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return made()
