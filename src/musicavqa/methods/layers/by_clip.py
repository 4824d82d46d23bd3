"""Questions beside their clip: what many questions ask of one clip, as one product per clip.

To index a clip's map with `clip_of` copies it for every question. Where maps are large, questions
are put into a table with one row per clip instead, asked together, and taken out again.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import one_hot


class ByClip:
    """Questions (B, ...) <-> table (C, Q, ...), Q the most questions that a clip has."""

    def __init__(self, clip_of: Tensor, n_clips: int) -> None:
        same = one_hot(clip_of, n_clips)
        self.clip_of, self.n_clips = clip_of, n_clips
        self.place = same.cumsum(0).gather(1, clip_of[:, None])[:, 0] - 1
        self.n_places = int(same.sum(0).max())

    def gather(self, questions: Tensor) -> Tensor:
        """The table; zeros where a clip has fewer questions than another."""
        table = questions.new_zeros(self.n_clips, self.n_places, *questions.shape[1:])
        table[self.clip_of, self.place] = questions
        return table

    def spread(self, table: Tensor) -> Tensor:
        """Each question's own entry, (B, ...)."""
        return table[self.clip_of, self.place]
