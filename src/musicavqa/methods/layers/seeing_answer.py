"""AVST's second half behind an encoder that looks at the pictures themselves, frozen or not.

Pictures of other clips, for the match task, pass that encoder as it is, without what a method puts
into it; a frozen encoder gives the same maps in every step, so they may come from a stream.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from musicavqa.backbones.tower import Frozen
from musicavqa.methods.layers.grounded_answer import GroundedAnswer
from musicavqa.methods.layers.grounding import Pictures
from musicavqa.methods.layers.two_towers import RealSeconds
from musicavqa.records import Batch, Drawn


class EyeStreams:
    """What `Options` of such a method read; they have the fields named below."""

    audio_stream: str
    visual_stream: str
    frozen_stream: str
    frozen: bool

    @property
    def own_streams(self) -> tuple[str, ...]:
        """Those of the senses."""
        return self.audio_stream, self.visual_stream

    @property
    def streams(self) -> tuple[str, ...]:
        """Those, and the maps of the frozen encoder where a stream has them."""
        kept = (self.frozen_stream,) if self.frozen_stream else ()
        return *self.own_streams, *kept

    @property
    def negatives(self) -> tuple[str, ...]:
        """The one stream of other pictures."""
        return (self.frozen_stream or self.visual_stream,)

    def __post_init__(self) -> None:
        if self.frozen_stream and not self.frozen:
            raise ValueError(
                f"frozen_stream={self.frozen_stream!r} was made by the frozen network; with "
                "frozen=False it changes. Set frozen=True, or leave the stream out."
            )


class SeeingAnswer(GroundedAnswer):
    """A method's `Model` brings the options, the eye, and what its tokens go through."""

    options: Any
    """Have `frozen_stream`, `match_weight` and `negatives`, the one stream of other pictures."""
    eye: Frozen
    pixels: nn.Module

    def mismatch_loss(
        self, batch: Batch, audio: Tensor, visual: Tensor, seconds: RealSeconds
    ) -> dict[str, Tensor]:
        """The weighed match loss of vectors (C, T, D); nothing where no other pictures came."""
        (name,) = self.options.negatives
        if name not in batch.negatives:
            return {}
        other = self.elsewhere(batch, audio, name, seconds)
        loss = self.mismatch(audio, visual, other, batch.seconds)
        return {"match": self.options.match_weight * loss}

    def elsewhere(self, batch: Batch, audio: Tensor, name: str, seconds: RealSeconds) -> Tensor:
        """Visual vectors (C, T, D) of sounds in pictures of other clips.

        Those drawn from the batch are all in the batch, so none is copied to be looked at.
        """
        drawn = batch.negatives
        if isinstance(drawn, Drawn):
            pictures = Pictures.of(self.plain(drawn.streams[name], seconds))
            return self.where(audio, pictures.elsewhere(drawn.clip, drawn.second))[0]
        return self.where(audio, self.plain(drawn[name], seconds))[0]

    def plain(self, rows: Tensor, seconds: RealSeconds) -> Tensor:
        """Pixels (C, T, P, D) of pictures, or of their maps, from the encoder as it is."""
        taken = seconds.take(rows)
        if self.options.frozen_stream:
            tokens = taken.flatten(2).transpose(1, 2)
        else:
            tokens = self.eye.alone(self.eye.tower, self.eye.tower.normalised(taken))
        return seconds.back(self.pixels(tokens))
