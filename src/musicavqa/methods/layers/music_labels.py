"""What Amuse learns of music beforehand, from music streams: where the tempo changes, who plays.

Diao et al., Learning Musical Representations for Music Performance Question Answering (EMNLP
Findings 2024). A clip is cut into S equal segments, of ten for a minute, whatever its length.
"""

from __future__ import annotations

import torch
from torch import Tensor

TEMPO, CONFIDENCE = -2, -1
"""Columns of a row of `music_tempo`."""
TINY_BPM = 1e-3
"""Changes that differ from the limit by less are equal to it."""


def segment_shares(valid: Tensor, n_segments: int) -> Tensor:
    """Shares (C, S, T) of each second in a segment of its clip; each segment's sum to one.

    By the time that they share: segments can be shorter than a second.
    """
    length = valid.sum(1, keepdim=True)[..., None] / n_segments  # (C, 1, 1) seconds of a segment
    starts = torch.arange(n_segments, device=valid.device)[None, :, None] * length
    second = torch.arange(valid.shape[1], device=valid.device)[None, None]
    end = torch.minimum(second + 1.0, starts + length)
    common = (end - torch.maximum(second.to(length.dtype), starts)).clamp(min=0.0)
    common = common.masked_fill(~valid[:, None], 0.0)
    return common / common.sum(-1, keepdim=True)


def tempo_of(rows: Tensor, shares: Tensor) -> Tensor:
    """Tempo (C, S) of segments in beats per minute, from rows of `music_tempo` (C, T, 82).

    A mean weighed by confidence; 0 where nothing is periodic.
    """
    sure = rows[..., CONFIDENCE].clamp(min=0.0)
    weight = (shares @ sure[..., None])[..., 0]
    tempo = (shares @ (sure * rows[..., TEMPO])[..., None])[..., 0]
    return torch.where(weight > 0, tempo / weight.clamp(min=1e-6), 0.0)


def rhythm_labels(tempo: Tensor, whole: Tensor, share: float, released: bool = False) -> Tensor:
    """1 (C, S) where the tempo changes by more than `share` of that of the whole clip (C,).

    Against the next segment, and none behind the last one; as released, against the one before,
    from `share` on, and none at the first.
    """
    change = tempo.diff(dim=1).abs()
    limit = share * whole[:, None]
    none = torch.zeros_like(tempo[:, :1])
    if released:
        return torch.cat([none, (change >= limit - TINY_BPM).to(tempo.dtype)], dim=1)
    return torch.cat([(change > limit + TINY_BPM).to(tempo.dtype), none], dim=1)


def source_labels(rows: Tensor, shares: Tensor, least: float) -> Tensor:
    """1 (C, S, 22) where an instrument is told of, from rows of `music_tags` (C, T, 2, 22).

    The mean of both taggers, at its highest second of the segment, is at least `least`.
    """
    tags = rows.mean(2)  # (C, T, 22)
    inside = shares[..., None] > 0
    highest = tags[:, None].masked_fill(~inside, 0.0).amax(2)
    return (highest >= least).to(rows.dtype)


def source_counts(rows: Tensor, shares: Tensor, least: float) -> Tensor:
    """How many instruments (C, S) `source_labels` tells of in each segment."""
    return source_labels(rows, shares, least).sum(-1)
