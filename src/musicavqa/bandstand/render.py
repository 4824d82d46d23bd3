"""Render a scene: the pictures, the sound, and one mp4 file of both."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.bandstand.gestures import Gestures
from musicavqa.bandstand.pose import Instrument, Look
from musicavqa.files import replacing

if TYPE_CHECKING:
    from musicavqa.bandstand.canvas import Canvas, Pen

RENDERER_VERSION = 2
"""Raise this when the same scene gives other pictures or another sound than before."""
AUDIO_BITS_PER_S = 96_000

Scene = dict[str, Any]


def scene_hash(scene: Scene) -> str:
    """sha256 of the scene and of the version of the renderer: what a rendered clip depends on."""
    text = json.dumps(scene, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{RENDERER_VERSION}:{text}".encode()).hexdigest()


def render(scene: Scene, path: Path) -> None:
    """Write the scene as an mp4 (H.264 and AAC) at `path`, which appears only when complete."""
    from musicavqa.bandstand.sound import mix

    with replacing(path) as part:
        _write_mp4(part, scene, mix(scene))


def frames(scene: Scene) -> Iterator[np.ndarray]:
    """The pictures in order, uint8 (height, width, 3) RGB, each of the middle of its time."""
    from musicavqa.bandstand.camera import degrade, move_camera
    from musicavqa.bandstand.canvas import Canvas
    from musicavqa.bandstand.stage import paint_occluder, paint_stage

    video, fps = scene["video"], scene["video"]["fps"]
    canvas = Canvas(video["width"], video["height"])
    paint_stage(canvas, scene["stage"], scene["place"])
    empty_stage = canvas.pixels.copy()
    members = cast(canvas, scene)
    rng = np.random.default_rng(scene["seed"])
    for index in range(round(scene["duration_s"] * fps)):
        time_s = (index + 0.5) / fps
        canvas.pixels[:] = empty_stage
        for member in members:
            member.draw(time_s)
        paint_occluder(canvas, scene["stage"])
        frame = move_camera(canvas.finish(), scene["camera"], time_s)
        yield degrade(frame, video, rng)


class Member:
    """A visible player, ready to be drawn at any time."""

    def __init__(self, player: dict[str, Any], pen: Pen) -> None:
        look = player["look"]
        self.pen = pen
        self.person = player["person"]
        self.instrument = instruments()[player["instrument"]]
        self.look = Look(look["variant"], look["tint"], look["proportion"])
        self.gestures = Gestures(player)

    def draw(self, time_s: float) -> None:
        """Draw the player as it is at this time."""
        from musicavqa.bandstand.players import draw_player

        motion = self.gestures.at(time_s)
        draw_player(self.pen, self.person, self.instrument, self.look, motion)


@cache
def instruments() -> dict[str, Instrument]:
    """Name -> drawing of all 22 instruments."""
    from musicavqa.bandstand import art_keys, art_plucked, art_strings, art_winds

    return {
        **art_keys.INSTRUMENTS,
        **art_plucked.INSTRUMENTS,
        **art_strings.INSTRUMENTS,
        **art_winds.INSTRUMENTS,
    }


def cast(canvas: Canvas, scene: Scene) -> list[Member]:
    """The visible players from the back to the front."""
    visible = [player for player in scene["players"] if player["visible"]]
    visible.sort(key=lambda player: -player["depth"])
    return [Member(player, _pen(canvas, player, scene["stage"]["light"])) for player in visible]


def _pen(canvas: Canvas, player: dict[str, Any], light: float) -> Pen:
    from musicavqa.bandstand.canvas import Pen
    from musicavqa.bandstand.scene import floor_y, player_scale

    return Pen(
        canvas,
        x=player["x"] * canvas.width,
        y=floor_y(player["depth"]) * canvas.height,
        scale=player_scale(player["depth"]) * canvas.height,
        mirror=player["look"]["mirror"],
        light=light,
    )


def filmed(scene: Scene) -> np.ndarray:
    """The pictures as a player of the clip shows them, after the codec; uint8 grey (n, H, W)."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = _video_stream(container, scene["video"])
        for picture in frames(scene):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
    file.seek(0)
    with av.open(file) as container:
        return np.stack([shown.to_ndarray(format="gray") for shown in container.decode(video=0)])


def _video_stream(container: Any, settings: dict[str, Any]) -> Any:
    video = container.add_stream("libx264", rate=settings["fps"])
    video.width, video.height, video.pix_fmt = settings["width"], settings["height"], "yuv420p"
    # The macroblock tree of x264 reads memory that was never written: other bytes every time.
    repeatable = {"x264-params": "mbtree=0"}
    video.options = {"preset": "veryfast", "crf": str(settings["crf"]), **repeatable}
    video.thread_count = 1
    return video


def _write_mp4(path: Path, scene: Scene, sound: np.ndarray) -> None:
    import av

    from musicavqa.bandstand.sound import RATE_HZ

    with av.open(str(path), "w", format="mp4") as container:
        video = _video_stream(container, scene["video"])
        # The fast coder takes a quarter of the time of the usual one, and came nearer the original.
        coder = {"aac_coder": "fast"}
        audio = container.add_stream("aac", rate=RATE_HZ, layout="stereo", options=coder)
        audio.bit_rate = AUDIO_BITS_PER_S
        for picture in frames(scene):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), "fltp", "stereo")
        # Without a time the encoder's padding would delay the sound by 32 ms.
        block.sample_rate, block.pts, block.time_base = RATE_HZ, 0, Fraction(1, RATE_HZ)
        container.mux(audio.encode(block))
        container.mux(audio.encode())
