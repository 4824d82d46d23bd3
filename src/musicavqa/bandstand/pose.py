"""What passes between the scene, the players and the instruments while a frame is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from musicavqa.bandstand.canvas import Pen, Point


@dataclass(frozen=True)
class Look:
    """How one instrument is drawn: which drawing, which colours, which proportions.

    `variant` counts from 0; variants 0 to 2 are for training, variant 3 (other shape details and
    other colours) is kept for the split test-art. `tint` in [-1, 1] and `proportion` in [0.9, 1.1]
    vary the colours and the proportions within a variant.
    """

    variant: int = 0
    tint: float = 0.0
    proportion: float = 1.0


@dataclass(frozen=True)
class Motion:
    """The state of one player's playing gesture at one frame; all zero for one who rests.

    energy: 0 at rest, 1 while a note is played (smoothed). bow: -1 to 1, place of the bow, the
    strumming or plucking hand along its stroke. strike: 0 stick or hammer lifted, 1 it touches.
    side: 0 or 1, which hand strikes (alternates with the notes). pitch: 0 to 1, height of the
    current note within the instrument's range (where the fingering hand stands). breath: -1 to 1,
    slow sway of the body while playing. bellows: -1 to 1, accordion and bagpipe.
    """

    energy: float = 0.0
    bow: float = 0.0
    strike: float = 0.0
    side: int = 0
    pitch: float = 0.5
    breath: float = 0.0
    bellows: float = 0.0


@dataclass(frozen=True)
class Hold:
    """Where the player's hands are, in the player's local coordinates, after drawing an instrument.

    `left` and `right` are the hands drawn on the viewer's left and right side of the body.
    `over` draws what lies in front of the hands (a bow, sticks), or is None.
    """

    left: Point
    right: Point
    over: Callable[[Pen], None] | None = None


@dataclass(frozen=True)
class Instrument:
    """One drawable instrument.

    `seated`: its player sits (hips at y = 0.30, shoulders at y = 0.60, head centre at y = 0.74);
    standing: hips at y = 0.48, shoulders at y = 0.79, head centre at y = 0.915, head radius 0.075;
    mouth at head centre minus 0.035; shoulders at x = -0.105 and 0.105; arms reach 0.40.
    `draw(pen, look, motion)` draws the instrument in front of the body, in player coordinates, and
    says where the hands are. `width`: how wide player and instrument are, in player units.
    """

    name: str
    seated: bool
    width: float
    draw: Callable[[Pen, Look, Motion], Hold]
