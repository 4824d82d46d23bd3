"""CIGN: a token for each class gathers what sounds and what is seen (Mo et al., ICCV 2023).

Class-Incremental Grouping Network for Continual Audio-Visual Learning. Each class has a learnable
token. In each sense the tokens are read together with all places and seconds, which are then
assigned to classes, as in GroupViT; what a class gathered gives its probability.

The paper classifies clips, class after class in several stages, and reads no question; it has no
MUSIC-AVQA number. Here it is adapted:
* The classes are the 22 instruments. A picture gives 7 x 7 tokens a second instead of one picture
  in all, a second of sound one token; the second's number is added to both (`positions`).
* The answer is read from all gathered vectors of both senses, each times its probability, by the
  attention of the question; their sum, times the question, is answered by a linear layer. This head
  is ours.
* Which instruments are seen and heard is learned where a rendered clip knows it; elsewhere the
  probabilities learn from answers only.
* MUSIC-AVQA has one stage. The paper's two losses that hold on to former stages (divergence from
  the former tokens, contrast with the former groups) vanish there and are left out.
* The grouping block is that of the code. The paper prints it (eq. 6-7) without the MLP across
  classes, the attention before and the MLP behind, and divides by the mass instead of mass plus 1.
* assign="soft" is what the paper reports; the code's instructions train with "hard".
* Class tokens start as small noise; the code's zeros are equal until their own loss parts them.

`hear` and `see` with their tokens give the numbers of the official code; its two ResNet-18 are
streams here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize

from musicavqa.methods.card import USUAL, Card, Recipe
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.grouping import Attend, Grouping, adapt_grouping
from musicavqa.methods.layers.question_lstm import QuestionLSTM
from musicavqa.methods.layers.question_pooling import QuestionPooling
from musicavqa.methods.layers.tokens import place_vectors, sinusoids
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Batch, Output

CARD = Card(
    title="Class-Incremental Grouping Network for Continual Audio-Visual Learning (CIGN)",
    year=2023,
    venue="ICCV",
    family="class tokens",
    streams=("audio_yamnet", "visual_effnet"),
    truth=True,
    spatial_temporal=True,
    reference="adapted",
    official_scores="CIGN",
    missing="stages of classes, and what holds on to former ones",
)


TINY = 1e-12
"""Added to shares before they are divided by their sum."""


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One map (channels, rows, columns) per second."""
    visual_width: int = 1280
    """Channels of the map."""
    places: int = 7
    """A map is averaged to at most so many rows and columns."""
    width: int = 256
    """Width of everything inside; 512 in the paper."""
    n_heads: int = 8
    n_layers: int = 3
    """Transformer layers in which tokens and classes look at each other."""
    audio_layers: int | None = None
    """So many where they are sounds; None for as many."""
    n_classes: int = len(INSTRUMENTS)
    """22 are the instruments; another number of classes has no names and learns from answers."""
    assign: Literal["soft", "hard"] = "soft"
    """A token goes to all classes by shares, or to the best one."""
    positions: bool = True
    """Add the second's number to each token; the original knows no time."""
    drop_path: float = 0.1
    """Share of clips for which a residual branch is skipped while training."""
    dropout: float = 0.1
    """In the question's attention."""
    token_weight: float = 1.0
    """Weight of the loss by which each class token names its class."""
    source_weight: float = 1.0
    """Weight of both losses about which instruments are there."""
    n_words: int = N_WORDS

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish", audio_width=128,
    visual_stream="visual_resnet18_map", visual_width=512, width=512,
)  # fmt: skip
"""Width of the paper on the features of MUSIC-AVQA."""


class GroupedSense(nn.Module):
    """Tokens (C, M, D) of one sense and class tokens (N, D) -> what each class gathered (C, N, D).

    Also the tokens as they were gathered (C, M, D), and the shares (C, N, M) of each in classes.
    """

    def __init__(self, options: Options, n_layers: int) -> None:
        super().__init__()
        sizes = options.width, options.n_heads, options.drop_path
        self.blocks = nn.ModuleList(Attend(*sizes, "self") for _ in range(n_layers))
        hard = options.assign == "hard"
        self.grouping = Grouping(*sizes, options.n_classes, hard, options.width // 2)

    def forward(
        self, tokens: Tensor, classes: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        n_tokens = tokens.shape[1]
        there = torch.cat([valid, valid.new_ones(len(tokens), len(classes))], dim=1)
        both = torch.cat([tokens, classes.expand(len(tokens), -1, -1)], dim=1)
        for block in self.blocks:
            both = block(both, both, there)
        tokens, groups = both[:, :n_tokens], both[:, n_tokens:]
        groups, shares = self.grouping.assign(groups, tokens, valid)
        return groups, tokens, shares


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.sound = nn.Linear(options.audio_width, width)
        self.pixels = nn.Linear(options.visual_width, width)
        self.tokens = nn.Parameter(0.02 * torch.randn(options.n_classes, width))
        self.name = nn.Linear(width, options.n_classes)
        heard = options.n_layers if options.audio_layers is None else options.audio_layers
        self.hear = GroupedSense(options, heard)
        self.see = GroupedSense(options, options.n_layers)
        self.heard = nn.Linear(width, 1)
        self.seen = nn.Linear(width, 1)
        self.question = QuestionLSTM(options.n_words, width)
        self.which = QuestionPooling(width, options.n_heads, options.dropout)
        self.fusion = nn.Linear(width, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        audio = self.sound(batch.streams[self.options.audio_stream])  # (C, T, D)
        maps = batch.streams[self.options.visual_stream]
        pixels = self.pixels(place_vectors(maps, self.options.places))  # (C, T, P, D)
        n_places = pixels.shape[2]
        valid = batch.seconds.repeat_interleave(n_places, 1)
        heard, _, ear = self.hear(self._placed(audio[:, :, None]), self.tokens, batch.seconds)
        seen, _, eye = self.see(self._placed(pixels), self.tokens, valid)
        scores = {"heard": self.heard(heard)[..., 0], "seen": self.seen(seen)[..., 0]}  # (C, N)

        rows = batch.clip_of
        sure = torch.cat([scores["heard"], scores["seen"]], dim=1).sigmoid()
        groups = sure[..., None] * torch.cat([heard, seen], dim=1)  # (C, 2N, D)
        question = self.question(batch.words)
        found, weights = self.which(question, groups[rows])
        logits = self.answer(torch.tanh(self.fusion(found) * question))

        shares = _of_classes(ear, batch.seconds)[rows], _of_classes(eye, valid)[rows]
        time, space = self._evidence(weights, *shares, n_places)
        evidence = {"time": time, "space": space}
        evidence |= {sense: score.sigmoid()[rows] for sense, score in scores.items()}
        return Output(logits, self._losses(batch, scores), evidence)

    def _placed(self, tokens: Tensor) -> Tensor:
        """Tokens (C, T, P, D) of length one, with their second, as (C, TP, D)."""
        tokens = normalize(tokens, dim=-1)
        if self.options.positions:
            tokens = tokens + sinusoids(tokens.shape[1], tokens)[:, None]
        return tokens.flatten(1, 2)

    def _evidence(
        self, weights: Tensor, ear: Tensor, eye: Tensor, n_places: int
    ) -> tuple[Tensor, Tensor]:
        """Seconds (B, T) and places (B, P) of the tokens that the asked classes (B, 2N) gather."""
        by_ear, by_eye = (_to_one(part) for part in weights.detach().chunk(2, dim=1))
        heard = torch.einsum("bn,bnt->bt", by_ear, ear)
        seen = torch.einsum("bn,bnm->bm", by_eye, eye).unflatten(1, (-1, n_places))
        return (heard + seen.sum(2)) / 2, seen.sum(1)

    def _losses(self, batch: Batch, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        """Each token names its class; which instruments are there, where that is known."""
        names = torch.arange(self.options.n_classes, device=self.tokens.device)
        losses = {"tokens": self.options.token_weight * self.token_loss(names)}
        if self.options.n_classes == len(INSTRUMENTS):
            for sense in batch.truth.keys() & scores.keys():
                wanted = (batch.truth[sense] > 0).to(scores[sense].dtype)
                loss = binary_cross_entropy_with_logits(scores[sense], wanted)
                losses[sense] = self.options.source_weight * loss
        return losses

    def token_loss(self, names: Tensor) -> Tensor:
        """Cross-entropy of the class tokens with their own numbers (eq. 8, first stage)."""
        return cross_entropy(self.name(self.tokens), names)


def _of_classes(shares: Tensor, valid: Tensor) -> Tensor:
    """Shares (C, N, M) of tokens in classes -> of classes in tokens, each class summing to one."""
    return _to_one((shares.detach() + TINY).masked_fill(~valid[:, None], 0.0), 0.0)


def _to_one(shares: Tensor, least: float = TINY) -> Tensor:
    """Shares that sum to one over the last axis, also where all of them were dropped."""
    shares = shares + least
    return shares / shares.sum(-1, keepdim=True)


RECIPES = {
    "default": USUAL,
    "music_avqa": Recipe(
        epochs=30, batch_clips=64, learning_rate=1e-4, optimizer="adam", schedule="constant",
        max_questions_per_clip=1,
    ),
}  # fmt: skip
"""Adam at 1e-4 throughout, as the paper trains its classifier (for 100 epochs of 128 there)."""

OFFICIAL_KEYS = {
    "img_proj.": "pixels.",
    "aud_proj.": "sound.",
    "av_token": "tokens",
    "audio_encoder.": "hear.",
    "visual_encoder.": "see.",
    "fc_prob_a.": "heard.",
    "fc_prob_v.": "seen.",
    "fc_cls.": "name.",
}

DEAD_KEYS = ("imgnet.", "audnet.", "audio_encoder.han_encoder.", "visual_encoder.han_encoder.")
"""The two ResNet-18, which are streams here, and what reaches no output."""

OWN_PARTS = ("question.", "which.", "fusion.", "answer.")
"""What no official weights fill."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names and fused projections inside the readers; a 1 x 1 convolution as a linear layer."""
    inside = {key: tensor for key, tensor in state.items() if "_encoder." in key}
    state = {key: tensor for key, tensor in state.items() if key not in inside}
    if "img_proj.weight" in state:
        state["img_proj.weight"] = state["img_proj.weight"].flatten(1)
    return state | adapt_grouping(inside)
