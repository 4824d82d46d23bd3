"""The contact sheet: every instrument in every variant, large and as small as in a full picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from musicavqa.bandstand import art_keys, art_plucked, art_strings, art_winds
from musicavqa.bandstand.canvas import Canvas, Pen
from musicavqa.bandstand.players import N_FACES, N_HAIR_STYLES, N_HAIRS, N_SKINS, draw_player
from musicavqa.bandstand.pose import Instrument, Look, Motion
from musicavqa.files import replacing

TILE = (250, 200)
"""Width and height of a tile in pixels."""
N_VARIANTS = 4
N_BESIDE = 2
"""Instruments side by side in one row of the sheet."""
GROUNDS = ((150, 162, 172), (221, 214, 200), (92, 112, 92), (120, 90, 80))

ALL: dict[str, Instrument] = {
    **art_strings.INSTRUMENTS,
    **art_plucked.INSTRUMENTS,
    **art_winds.INSTRUMENTS,
    **art_keys.INSTRUMENTS,
}


def draw_sheet(path: Path) -> None:
    """Write the contact sheet of all 22 instruments as PNG, each with its name."""
    strips = [
        np.concatenate([_tile(name, variant) for variant in range(N_VARIANTS)], axis=1)
        for name in sorted(ALL)
    ]
    rows = [
        np.concatenate(strips[i : i + N_BESIDE], axis=1) for i in range(0, len(strips), N_BESIDE)
    ]
    done, png = cv2.imencode(".png", cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"The contact sheet could not be encoded for {path}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(png.tobytes())


def _tile(name: str, variant: int) -> np.ndarray:
    canvas = Canvas(*TILE)
    canvas.pixels[:] = GROUNDS[variant]
    look, motion = Look(variant), Motion(energy=1.0, bow=0.3, strike=0.4, pitch=0.5, bellows=0.3)
    person = _person(sum(map(ord, name)) + variant)
    for x, y, scale in ((95, 190, 150), (222, 190, 62)):
        draw_player(Pen(canvas, x, y, scale), person, ALL[name], look, motion)
    picture = canvas.finish()
    if not variant:
        words = name.replace("_", " ")
        cv2.putText(
            picture, words, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (20, 20, 20), 1, cv2.LINE_AA
        )
    return picture


def _person(number: int) -> dict[str, Any]:
    rng = np.random.default_rng(number)
    return {
        "skin": int(rng.integers(N_SKINS)),
        "hair": int(rng.integers(N_HAIRS)),
        "hair_style": int(rng.integers(N_HAIR_STYLES)),
        "face": int(rng.integers(N_FACES)),
        "top": rng.integers(30, 220, 3).tolist(),
        "bottom": rng.integers(20, 110, 3).tolist(),
        "height": 1.0,
    }
