"""Soundfonts that players can be heard from: one from a wheel, others where a system has them.

A font is known by its sha256, so that equal fonts give equal stems. `merlin`, the font of the split
`test-timbre`, is not among them: nothing is learned from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/usr/share/sounds/sf2")
"""Where Debian and its kin keep soundfonts."""


@dataclass(frozen=True)
class Font:
    """A General MIDI soundfont of a Debian package."""

    name: str
    file: str
    sha256: str
    package: str
    licence: str
    share: float
    """How often it is drawn where all are there."""


USUAL = "timgm6mb"
"""From the wheel of pretty_midi; what clips are rendered with."""
USUAL_SHARE = 0.4
FURTHER = (
    Font(
        "fluid_r3", "FluidR3_GM.sf2",
        "74594e8f4250680adf590507a306655a299935343583256f3b722c48a1bc1cb0",
        "fluid-soundfont-gm", "MIT", 0.18,
    ),
    Font(
        "musescore_general", "MuseScore_General_Full.sf2",
        "59287cbb0f424ec76d1bc269eee40dfe0b02252588d72eb016b5d2382e710a8f",
        "musescore-general-soundfont-lossless", "MIT", 0.18,
    ),
    Font(
        "gmbank", "sf_GMbank.sf2",
        "9f39fc53bd3a1a69f13cb486838944eded358b3b6e8afbd6c1c2c33675b2034b",
        "csound-soundfont", "public domain", 0.14,
    ),
    Font(
        "opl3", "OPL-3_FM_128M.sf2",
        "39bff96eee3dcfbce9665e3968701b894ca2136c7d0bd580281b2bbf59e80392",
        "opl3-soundfont", "CC-BY-SA-4.0", 0.1,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Fonts:
    """What is here: the usual font and the further ones that were found."""

    paths: dict[str, Path]
    """Name -> file, of the further ones."""
    missing: tuple[Font, ...] = ()

    @property
    def names(self) -> list[str]:
        """All, the usual one first."""
        return [USUAL, *self.paths]

    @property
    def shares(self) -> list[float]:
        """How often each of `names` is drawn; they sum to 1."""
        shares = [USUAL_SHARE, *(f.share for f in FURTHER if f.name in self.paths)]
        return [share / sum(shares) for share in shares]

    def read(self, name: str) -> bytes:
        """The font with this name."""
        from musicavqa.bandstand.sound import font_bytes

        return font_bytes(name) if name == USUAL else self.paths[name].read_bytes()


def find_fonts(folders: Sequence[Path]) -> Fonts:
    """The fonts found in these folders; a file of the right name with other content is no font.

    FileNotFoundError for a folder that is not there.
    """
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder of soundfonts {folder}.")
    paths: dict[str, Path] = {}
    for font in FURTHER:
        for folder in folders:
            path = folder / font.file
            if font.name not in paths and path.is_file() and _sha256(path) == font.sha256:
                paths[font.name] = path
    return Fonts(paths, tuple(font for font in FURTHER if font.name not in paths))


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()
