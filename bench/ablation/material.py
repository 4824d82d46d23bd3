"""What the parts learn from: stills and sound mixes of scenes of `train`, as both inputs see them.

Each scene is rendered once and goes through the frozen encoders of both inputs, so that these learn
from the same performances. Truth is read from the scenes again: they are functions of a number.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.training.lessons.shards import Made, Material, Tell, make_material

FIRST_STILL, FIRST_MIX = 40_000_000, 41_000_000
"""Scenes of split train, far from those that clips and lessons are made of."""
PER_SHARD = 50
KEYFRAME, MAP = (1408, 11, 14), (1280, 7, 7)
LOGMEL, EMBEDDING = (10, 2, 50, 64), (10, 1024)
LENGTH_S = 10
BATCH = 5


def make_stills(folder: Path, n: int, tell: Tell) -> Material:
    """`n` stills; each row holds `KEYFRAME` and `MAP` one after the other, float16.

    Truth: 'performers' (instrument, x, y, height) with places in the key frame, and 'outdoor'.
    """
    return make_material(folder, n, PER_SHARD, _stills, 1, tell)


def make_mixes(folder: Path, n: int, tell: Tell) -> Material:
    """`n` sound mixes; each row holds `LOGMEL` and `EMBEDDING`, float16. Truth: the scene."""
    return make_material(folder, n, PER_SHARD, _mixes, 1, tell)


def stills_at(stills: Material, places: list[int], special: bool) -> np.ndarray:
    """Key frames (n, 1408, 11, 14), or maps (n, 1280, 7, 7) for general input; float32."""
    return _taken(stills.rows(places), KEYFRAME, MAP, special)


def mixes_at(mixes: Material, places: list[int], special: bool) -> np.ndarray:
    """Log-mel (n, 10, 2, 50, 64), or embeddings (n, 10, 1024) for general input; float32."""
    return _taken(mixes.rows(places), LOGMEL, EMBEDDING, special)


def _taken(
    rows: np.ndarray, first: tuple[int, ...], second: tuple[int, ...], special: bool
) -> np.ndarray:
    stop = int(np.prod(first))
    taken = rows[:, :stop] if special else rows[:, stop:]
    return taken.astype(np.float32).reshape(-1, *(first if special else second))


def mix_truth(index: int) -> dict[str, np.ndarray]:
    """What the ear should say of a mix, float32; see `bandstand.truth`."""
    from musicavqa.bandstand.scene import sample_scene
    from musicavqa.bandstand.truth import clip_targets, tick_targets

    scene = sample_scene("train", index)
    ticks, whole = tick_targets(scene, LENGTH_S), clip_targets(scene)
    kept = {name: whole[name] for name in ("loudness", "stereo")}
    return ticks | kept


def _stills(start: int, stop: int) -> Made:
    import cv2

    from musicavqa.bandstand.scene import sample_scene
    from musicavqa.bandstand.stills import jittered, letterboxed, performers, still
    from musicavqa.features.encoders.visual_keyframes import SIZE

    keyframes, maps = _eyes()
    rng = np.random.default_rng([FIRST_STILL, start])
    large, small, truths = [], [], []
    for index in range(start, stop):
        scene = sample_scene("train", FIRST_STILL + index)
        time_s = float(rng.uniform(0.2, 9.8))
        picture = jittered(still(scene, time_s), rng)
        whole, seen = letterboxed(picture, performers(scene, time_s), SIZE)
        large.append(whole)
        small.append(cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA))
        truths.append({"performers": seen, "outdoor": scene["place"] == "outdoor"})
    rows = []
    for i in range(0, len(large), BATCH):
        special = keyframes.stages(np.stack(large[i : i + BATCH])).half().flatten(1).numpy()
        general = maps.maps(np.stack(small[i : i + BATCH])).half().flatten(1).numpy()
        rows.append(np.concatenate([special, general], 1))
    return np.concatenate(rows), truths


def _mixes(start: int, stop: int) -> Made:
    import soxr

    from musicavqa.bandstand.scene import sample_scene
    from musicavqa.bandstand.sound import RATE_HZ, mix
    from musicavqa.media import SOUND, Media

    rows = []
    for index in range(start, stop):
        sound = mix(sample_scene("train", FIRST_MIX + index))
        heard = np.ascontiguousarray(soxr.resample(sound, RATE_HZ, SOUND.rate_hz).T, np.float32)
        media = Media({SOUND: heard}, float(LENGTH_S), has_video=False, has_audio=True)
        logmel, tagger = _ears()
        embedding = tagger.encode(media)[:, : EMBEDDING[1]]
        rows.append(np.concatenate([logmel.encode(media).ravel(), embedding.ravel()]))
    return np.stack(rows), [FIRST_MIX + index for index in range(start, stop)]


@cache
def _eyes() -> tuple[Any, Any]:
    from musicavqa.features.encoders import visual_effnet, visual_keyframes

    return visual_keyframes.load(), visual_effnet.load()


@cache
def _ears() -> tuple[Any, Any]:
    from musicavqa.features.encoders import audio_logmel, audio_yamnet

    return audio_logmel.load(), audio_yamnet.load()
