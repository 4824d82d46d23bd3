"""LSTTA: a long and short-term trimodal adapter between the blocks of frozen encoders (Liu, 2023).

Parameter-Efficient Transfer Learning for Audio-Visual-Language Tasks (ACM MM 2023). Behind every
block but the last, the words look at the picture and at the sound of each second, and which seconds
matter to them follows (long-term filter); then the tokens of sound ask a few latents that gathered
picture and words of their second, and those of the picture likewise (short-term interaction). What
comes out is averaged and answered from with the question.

There is no official code: `CARD.reference` says "paper only". Where the paper leaves a choice:
* The filter is a softmax over the seconds of Linear(Adapter(.)), the map to one number is ours. It
  multiplies the scores of the interaction as printed, which makes them nearly uniform over 32
  seconds; `scaled_filter` multiplies it with the number of seconds.
* VL2A's latents gather picture and words, as text and figure say and equation 8 does not.
* Places in time are learnt vectors, added behind the first block; gates begin at 0, the upper half
  of each adapter at 0, so that every block is the identity at first.
* The answer is read by two layers from the means of both streams' tokens and the question's vector.

Where we differ:
* The words are a text stream with one state per word, the same at every block; there CLIP's text
  network is walked along, unchanged. One linear layer brings them to the width of the tokens.
* The paper's ear is a pretrained w2v-Conformer. We know of it 24 blocks and 196 tokens of 1,024 for
  each chunk, but not how it turns sound into them, its kernels, or whose weights it has. Of two
  networks of that name, the one for sounds of all kinds (Srivastava et al., ICASSP 2022) learned
  from 67,000 hours of users' videos, and no weights of it are known to us; the one with public
  weights (wav2vec2-conformer) learned speech. Frozen and random it would hear nothing, so none is
  built: the ear is a second vision transformer, on spectra as pictures. Both are small and random
  by default, and learn (`frozen=False`); `PUBLISHED` has CLIP ViT-L/14 for both (weights
  `clip_l14`).
* What comes before the first adapter, the first block of both, is computed once for a clip and
  without gradients where frozen; behind it everything depends on the question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from musicavqa.backbones.swin import fitted
from musicavqa.backbones.tower import Frozen
from musicavqa.backbones.vit import VitTower
from musicavqa.methods.card import USUAL, Card, Recipe, Reproduction
from musicavqa.methods.layers import N_ANSWERS
from musicavqa.methods.layers.seconds import mean_of_seconds
from musicavqa.records import Batch, Output

CARD = Card(
    title="Parameter-Efficient Transfer Learning for Audio-Visual-Language Tasks (LSTTA)",
    year=2023,
    venue="ACM MM",
    family="adapters",
    streams=("audio_fbank_192", "visual_frames"),
    texts=("text_minilm", "text_minilm_words"),
    reference="paper only",
    official_scores="LSTTA",
    missing="its ear, a pretrained w2v-Conformer without known weights",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_fbank_192"
    """A spectrum (frames, bands) per second, read as a picture."""
    visual_stream: str = "visual_frames"
    """A picture (3, rows, columns) per second, values 0 to 255."""
    question_text: str = "text_minilm"
    """The question as one vector."""
    words_text: str = "text_minilm_words"
    """Its words, zero rows for padding."""
    text_width: int = 384
    backbone: Literal["tiny", "clip_l14"] = "tiny"
    frozen: bool = False
    """Keep both networks as they are; else they learn with the rest."""
    n_latents: int = 4
    inside: int = 16
    """Width inside an adapter."""
    hidden: int = 64
    """Width of the layer before the answer."""
    n_places: int = 60
    """Longest clip in seconds."""
    scaled_filter: bool = False
    """Multiply the shares of seconds with their number, so that they are 1 in the mean."""
    dropout: float = 0.1

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream

    @property
    def texts(self) -> tuple[str, ...]:
        return self.question_text, self.words_text


PUBLISHED = Options(
    question_text="text_clip_l14", words_text="text_clip_l14_words", text_width=768,
    backbone="clip_l14", frozen=True, n_latents=64, inside=512, hidden=2048,
)  # fmt: skip
"""Sizes of the paper."""


class Ask(nn.Module):
    """X + tanh(g) softmax(X Y^T) Y, without projection or scale (CMA)."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(
        self, asking: Tensor, asked: Tensor, there: Tensor | None = None, gain: Tensor | None = None
    ) -> Tensor:
        """asking (N, P, D), asked (N, Q, D); `there` (N, Q) may be seen, `gain` (N,) of scores."""
        scores = asking @ asked.transpose(1, 2)
        scores = scores if gain is None else scores * gain[:, None, None]
        if there is not None:
            scores = scores.masked_fill(~there[:, None], -torch.inf)
        return asking + self.gate.tanh() * (scores.softmax(-1) @ asked)


class Adapter(nn.Module):
    """X + W_up ReLU(W_down X), which is X at first."""

    def __init__(self, width: int, inside: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, inside), nn.Linear(inside, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.up(torch.relu(self.down(tokens)))


class Interaction(nn.Module):
    """Tokens of one sense ask latents that gathered the other sense and the words."""

    def __init__(self, width: int, n_latents: int, inside: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(n_latents, width) / width**0.5)
        self.gather, self.ask = Ask(), Ask()
        self.adapter = Adapter(width, inside)

    def forward(
        self, own: Tensor, other: Tensor, words: Tensor, said: Tensor, gain: Tensor
    ) -> Tensor:
        """own (N, P, D), other (N, Q, D), words (N, W, D), `said` (N, W) real, gain (N,)."""
        latents = self.latents.expand(len(own), -1, -1)
        seen = torch.ones(other.shape[:2], dtype=torch.bool, device=other.device)
        there = torch.cat([seen, said], dim=1)
        latents = self.gather(latents, torch.cat([other, words], dim=1), there)
        return self.adapter(self.ask(own, latents, gain=gain))


class Block(nn.Module):
    """Long-term filter, then both interactions at the same time."""

    def __init__(self, width: int, options: Options) -> None:
        super().__init__()
        self.scaled = options.scaled_filter
        self.look, self.listen = Ask(), Ask()
        self.adapter = Adapter(width, options.inside)
        self.matters = nn.Linear(width, 1)
        self.to_ear = Interaction(width, options.n_latents, options.inside)
        self.to_eye = Interaction(width, options.n_latents, options.inside)

    def forward(
        self, heard: Tensor, seen: Tensor, words: Tensor, said: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """heard, seen (B, T, P, D), words (B, W, D), `said` (B, W) and `valid` (B, T) real.

        The tokens, changed, and the shares (B, T) of the seconds.
        """
        n_seconds = valid.shape[1]
        each = words.repeat_interleave(n_seconds, dim=0)  # (B T, W, D)
        real = said.repeat_interleave(n_seconds, dim=0)
        ear, eye = heard.flatten(0, 1), seen.flatten(0, 1)
        both = self.look(each, eye) + self.listen(each, ear)  # their means over words, summed
        mean = mean_of_seconds(both, real) / 2
        scores = self.matters(self.adapter(mean))[:, 0].unflatten(0, valid.shape)
        shares = scores.masked_fill(~valid, -torch.inf).softmax(-1)
        gain = shares * valid.sum(1, keepdim=True) if self.scaled else shares
        gain = gain.flatten()
        heard = self.to_ear(ear, eye, each, real, gain).view_as(heard)
        seen = self.to_eye(eye, ear, each, real, gain).view_as(seen)
        return heard, seen, shares


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        learns = not options.frozen
        self.eye = Frozen(VitTower(options.backbone), learns)
        self.ear = Frozen(VitTower(options.backbone), learns)
        width, n_blocks = self.eye.tower.width, len(self.eye.tower.places)
        self.words = nn.Linear(options.text_width, width)
        self.when_heard = nn.Parameter(torch.zeros(options.n_places, width))
        self.when_seen = nn.Parameter(torch.zeros(options.n_places, width))
        self.blocks = nn.ModuleList(Block(width, options) for _ in range(n_blocks - 1))
        self.inner = nn.Linear(2 * width + options.text_width, options.hidden)
        self.answer = nn.Linear(options.hidden, N_ANSWERS)
        self.dropout = nn.Dropout(options.dropout)

    @property
    def weights(self) -> dict[str, str]:
        """Where official weights belong, and which."""
        if self.options.backbone == "tiny":
            return {}
        return dict.fromkeys(("eye.tower.network", "ear.tower.network"), self.options.backbone)

    def forward(self, batch: Batch) -> Output:
        rows, valid = batch.clip_of, batch.seconds[batch.clip_of]
        heard, seen = (tokens[rows] for tokens in self._begin(batch))  # (B, T, P, D)
        states = batch.texts[self.options.words_text]
        said = (states != 0).any(-1)
        words, shares = self.words(states), valid.new_zeros(valid.shape)
        for i, block in enumerate(self.blocks):
            heard, seen, shares = block(heard, seen, words, said, valid)
            heard, seen = self._block(self.ear, i + 1, heard), self._block(self.eye, i + 1, seen)
        means = [
            mean_of_seconds(part.tower.end(tokens).mean(2), valid)
            for part, tokens in ((self.eye, seen), (self.ear, heard))
        ]
        joined = torch.cat([*means, batch.texts[self.options.question_text]], dim=-1)
        logits = self.answer(self.dropout(nn.functional.gelu(self.inner(joined))))
        return Output(logits, evidence={"time": shares})

    def _begin(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tokens (C, T, P, D) behind the first block of ear and eye, with their place in time."""
        options, n_seconds = self.options, batch.seconds.shape[1]
        if n_seconds > options.n_places:
            raise ValueError(f"{n_seconds} seconds are more than n_places={options.n_places}.")
        sound = batch.streams[options.audio_stream].flatten(0, 1)[:, None].expand(-1, 3, -1, -1)
        pictures = batch.streams[options.visual_stream].flatten(0, 1)
        ear, eye = self.ear.tower, self.eye.tower
        heard = self.ear.alone(lambda given: ear.until(1, given), fitted(sound, ear.side))
        seen = self.eye.alone(lambda given: eye.until(1, given), eye.normalised(pictures))
        shape = batch.seconds.shape
        return (
            heard.unflatten(0, shape) + self.when_heard[:n_seconds, None],
            seen.unflatten(0, shape) + self.when_seen[:n_seconds, None],
        )

    @staticmethod
    def _block(part: Frozen, i: int, tokens: Tensor) -> Tensor:
        """Block i of a tower on the tokens (B, T, P, D) of every second for itself."""
        return part.tower.block(i, tokens.flatten(0, 1)).view_as(tokens)


PRINTED = Recipe(epochs=30, batch_clips=8, batch_questions=8, learning_rate=8e-5)

RECIPES = {"default": USUAL, "music_avqa": PRINTED}

REPRODUCTION = Reproduction(
    PRINTED,
    "the paper, which says AdamW and a cosine from 8e-5",
    differs=("Epochs, batches and the rest are ours: they are not printed.",),
)
