"""Ensembles that never were: equal players of many scenes side by side, with a sound to match.

Whoever moves, moves to a line of notes, whether it is heard or not. So who of a few players is
heard can be decided anew each time: some hundred scenes give as many ensembles as are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from musicavqa.bandstand.scene import LEVELS_DB, MONO_RATE, USUAL, behaviour
from musicavqa.methods.layers.fitting import EDGE_PAN

N_EQUAL = {2: 0.6, 3: 0.28, 4: 0.12}
"""Shares of ensembles by size."""
LEAST_STEREO = 0.5


@dataclass(frozen=True)
class Filmed:
    """One performer of one scene."""

    scene: int
    performer: int

    def of(self, truths: Sequence[dict[str, Any]], key: str) -> Any:
        """What is known of him under this name."""
        return truths[self.scene][key][self.performer]


@dataclass(frozen=True)
class Role:
    """Who is seen, and what of him is heard."""

    look: Filmed
    line: Filmed | None
    """Whose notes he plays; None for a player that is not heard."""
    level_db: float


@dataclass(frozen=True)
class Cast:
    """The performers of all scenes, by instrument."""

    moving: dict[int, list[Filmed]]
    still: dict[int, list[Filmed]]

    @classmethod
    def of(cls, truths: Sequence[dict[str, Any]]) -> Cast:
        """Of the scenes that `lessons.fit` makes."""
        moving: dict[int, list[Filmed]] = {}
        still: dict[int, list[Filmed]] = {}
        for scene, truth in enumerate(truths):
            for number, (performer, moves) in enumerate(
                zip(truth["performers"], truth["moves"], strict=True)
            ):
                kind = moving if moves else still
                kind.setdefault(performer[0], []).append(Filmed(scene, number))
        return cls(moving, still)

    @property
    def instruments(self) -> list[int]:
        """Those of which there are enough for an ensemble."""
        return sorted(
            name
            for name, found in self.moving.items()
            if len(found) >= max(N_EQUAL) and name in self.still
        )


def draw_roles(cast: Cast, rng: np.random.Generator) -> tuple[int, list[Role]]:
    """An instrument and its players, who play, mime, stand still or are silent as in scenes."""
    names = cast.instruments
    weights = np.sqrt([len(cast.moving[name]) for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    n = int(rng.choice(list(N_EQUAL), p=list(N_EQUAL.values())))
    moving = [cast.moving[name][i] for i in rng.permutation(len(cast.moving[name]))[:n]]
    behaviours = ["still" if rng.random() < USUAL.still_lead else "plays"]
    behaviours += [behaviour(rng, USUAL) for _ in range(n - 1)]
    roles = []
    for mover, does in zip(moving, behaviours, strict=True):
        bystander = cast.still[name][int(rng.integers(len(cast.still[name])))]
        roles.append(
            Role(
                look=mover if does in ("plays", "mimes") else bystander,
                line=mover if does in ("plays", "still") else None,
                level_db=float(rng.choice(LEVELS_DB)),
            )
        )
    return name, [roles[i] for i in rng.permutation(n)]


def sound_together(
    truths: Sequence[dict[str, Any]], name: int, roles: Sequence[Role], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """'activity', 'onsets', 'pan' (K, 22): those who are heard, among the others of any scene."""
    around = truths[int(rng.integers(len(truths)))]
    sound = {key: np.array(around[key], float) for key in ("activity", "onsets", "pan")}
    width = 0.0 if rng.random() < MONO_RATE else rng.uniform(LEAST_STEREO, 1)
    for values in sound.values():
        values[:, name] = 0
    loud = np.zeros(len(sound["activity"]))
    for role in roles:
        if role.line is None:
            continue
        line = np.array(role.line.of(truths, "line"))
        x = role.look.of(truths, "performers")[1]
        power = line * 10 ** (role.level_db / 10)
        loud += power
        sound["activity"][:, name] = np.maximum(sound["activity"][:, name], line)
        sound["onsets"][:, name] += role.line.of(truths, "line_onsets")
        sound["pan"][:, name] += power * width * EDGE_PAN * (2 * x - 1)
    sound["pan"][:, name] /= np.maximum(loud, 1e-9)
    if not width:
        sound["pan"][:] = 0
    return sound
