"""What the eye learns from: single pictures of scenes, as the stages of `visual_keyframes`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from musicavqa.methods.layers.performer_map import STAGES
from musicavqa.training.lessons.shards import Made, Material, Tell, make_material

FIRST_SCENE = 20_000_000
"""Of split train: far behind those that clips are made of."""
PER_SHARD = 100
BATCH = 4
EARLIEST_S, LATEST_S = 0.2, 9.8


def make_stills(folder: Path, n: int, seed: int, workers: int, tell: Tell) -> Material:
    """`n` stills: rows (1408, 11, 14) float16; truth 'performers' (name, x, y, height), 'outdoor'.

    x and y are places in the letter-boxed picture.
    """
    return make_material(folder, n, PER_SHARD, partial(_stills, seed), workers, tell)


def looks_of(stills: Material) -> Tensor:
    """(n, 640) how each still looks as a whole, as `Glimpse.looks` of key frames."""
    parts = [torch.from_numpy(part[:, : STAGES[0]].astype(np.float32)) for part in stills.parts]
    cells = torch.cat(parts).flatten(2)
    return torch.cat([cells.mean(2), cells.std(2)], 1)


def _stills(seed: int, start: int, stop: int) -> Made:
    from musicavqa.bandstand.scene import sample_scene
    from musicavqa.bandstand.stills import jittered, letterboxed, performers, still
    from musicavqa.features.encoders.visual_keyframes import SIZE, load

    rng, network = np.random.default_rng([seed, start]), load()
    pictures, truths = [], []
    for index in range(start, stop):
        scene = sample_scene("train", FIRST_SCENE + index)
        time_s = float(rng.uniform(EARLIEST_S, LATEST_S))
        picture = jittered(still(scene, time_s), rng)
        whole, seen = letterboxed(picture, performers(scene, time_s), SIZE)
        pictures.append(whole)
        truths.append({"performers": seen, "outdoor": scene["place"] == "outdoor"})
    rows = [
        network.stages(np.stack(pictures[i : i + BATCH])).half().numpy()
        for i in range(0, len(pictures), BATCH)
    ]
    return np.concatenate(rows), truths
