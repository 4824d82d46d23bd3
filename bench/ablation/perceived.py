"""What eyes and ears say of the clips of a split, kept on disk: each runs once over each clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ablation.ears import EMBEDDING, Ear
from ablation.eyes import Eye
from ablation.material import KEYFRAME
from musicavqa.features.encoders.visual_keyframes import EVERY_S
from musicavqa.features.store import ClipStore
from musicavqa.files import replacing
from musicavqa.methods.layers.fitting import points_around, zones_of
from musicavqa.methods.layers.listening import TICKS
from musicavqa.methods.layers.performer_map import Sight
from musicavqa.methods.layers.performers import evidence, gather, peaks
from musicavqa.records import Clip

STREAMS = ("audio_logmel", "audio_yamnet", "visual_keyframes", "visual_movement", "visual_effnet")
ZONES = 4
CLIPS_AT_ONCE = 8

Streams = Mapping[str, ClipStore]
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Seen:
    """What an eye says of one clip: performers with their movement, or slots."""

    outdoor: float
    """Logit, the mean over pictures."""
    there: np.ndarray
    """(P, 3) what speaks for each performer; none without place."""
    names: np.ndarray
    """(P, 22) log-probabilities, summed over pictures."""
    x: np.ndarray
    """(P,)"""
    moves: np.ndarray
    """(P, 10 T) how much changes around each, as a logarithm."""
    slots: np.ndarray
    """(22, 8) logits, the mean over pictures; zeros with place."""


@dataclass(frozen=True)
class Heard:
    """What an ear says of one clip of K ticks; shares and values, (K, 22) but for speech (K,)."""

    activity: np.ndarray
    onsets: np.ndarray
    """Expected number within the tick."""
    level_db: np.ndarray
    pan: np.ndarray
    speech: np.ndarray


@torch.inference_mode()
def look(eye: Eye, clips: Sequence[Clip], streams: Streams) -> list[Seen]:
    """What the eye says of each clip, from pictures four seconds apart."""
    return [_looked(eye, clip, streams) for clip in clips]


def _looked(eye: Eye, clip: Clip, streams: Streams) -> Seen:
    n_ticks = TICKS * len(streams["visual_effnet"][clip.id])
    if eye.special:
        rows = streams["visual_keyframes"][clip.id][:, : KEYFRAME[0]]
    else:
        rows = streams["visual_effnet"][clip.id][::EVERY_S]
    said = eye(torch.from_numpy(rows.astype(np.float32)))
    if not isinstance(said, Sight):
        slots, outdoor = said
        nobody = np.zeros((0, 3)), np.zeros((0, 22)), np.zeros(0), np.zeros((0, n_ticks))
        return Seen(float(outdoor.mean()), *nobody, slots.mean(0).numpy())
    found = gather(peaks(said))
    there, names = evidence(found)
    x, y, height = (torch.tensor([p.mean(f) for p in found]).float() for f in ("x", "y", "height"))
    changes = movement(clip, streams, eye.special)
    zones = zones_of(points_around(changes, x, y, height))[..., ZONES : 2 * ZONES]  # their means
    moves = zones.mean(2).numpy() if found else np.zeros((0, n_ticks))
    return Seen(
        float(said.outdoor.mean()),
        there.numpy(),
        names.numpy(),
        x.numpy(),
        moves,
        np.zeros((22, 8)),
    )


def movement(clip: Clip, streams: Streams, special: bool) -> torch.Tensor:
    """(10 T, rows, columns) how much each place changes; by whole seconds for general input."""
    if special:
        return torch.from_numpy(streams["visual_movement"][clip.id].astype(np.float32)).flatten(
            0, 1
        )
    maps = torch.from_numpy(streams["visual_effnet"][clip.id].astype(np.float32))
    change = (maps[1:] - maps[:-1]).square().mean(1).sqrt()  # (T - 1, 7, 7)
    return torch.cat([change[:1], change]).repeat_interleave(TICKS, 0)


@torch.inference_mode()
def listen(ear: Ear, clips: Sequence[Clip], streams: Streams) -> list[Heard]:
    """What the ear says of each clip."""
    found = []
    for start in range(0, len(clips), CLIPS_AT_ONCE):
        some = clips[start : start + CLIPS_AT_ONCE]
        rows = [[streams["audio_yamnet"][clip.id][:, :EMBEDDING] for clip in some]]
        if ear.special:
            rows.append([streams["audio_logmel"][clip.id] for clip in some])
        said = ear(*(torch.from_numpy(np.stack(one).astype(np.float32)) for one in rows))
        found += [
            Heard(*arrays)
            for arrays in zip(
                said.activity.sigmoid().numpy(),
                said.onsets.exp().numpy(),
                said.level_db.numpy(),
                said.pan.numpy(),
                said.speech.sigmoid().numpy(),
                strict=True,
            )
        ]
    return found


def highest(activity: np.ndarray, n_ticks: int) -> np.ndarray:
    """Highest mean over `n_ticks` ticks of shares (K, n), as logits (n,)."""
    means = F.avg_pool1d(torch.from_numpy(activity.T[:, None]).float(), n_ticks, 1)[:, 0]
    return means.amax(1).clamp(1e-4, 1 - 1e-4).logit().numpy()


def save(path: Path, clips: Sequence[Clip], said: Sequence[Seen] | Sequence[Heard]) -> None:
    """Write what was said of these clips, without pickle."""
    arrays = {
        f"{clip.id}/{name}": np.asarray(value, np.float16 if np.ndim(value) == 2 else np.float32)
        for clip, one in zip(clips, said, strict=True)
        for name, value in vars(one).items()
    }
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load(path: Path, clips: Sequence[Clip], kind: type[Any]) -> list[Any]:
    """`Seen` or `Heard` of these clips."""
    with np.load(path) as kept:
        return [
            kind(**{n: _plain(kept[f"{clip.id}/{n}"]) for n in kind.__dataclass_fields__})
            for clip in clips
        ]


def _plain(array: np.ndarray) -> Any:
    return float(array) if array.ndim == 0 else array.astype(np.float32)
