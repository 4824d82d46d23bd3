"""SaSR-Net: tokens of instruments organise sound and picture (Yang et al., EMNLP Findings 2024).

Source-Aware Semantic Representation Network for Enhancing Audio-Visual Question Answering. One
learnable token per instrument is read together with the seconds of each sense; the seconds are then
assigned to the tokens, as in GroupViT, and look at what was gathered there. What comes out goes the
way of AVST: the sound grounds the picture, the question picks seconds. Side tasks: match of sound
and picture, which instruments are there (from either sense), and each token names its instrument.

Where we differ (there is released code; the paper's text was not at hand):
* Before its seconds are assigned, the sound is regrouped by the seconds of the picture. There the
  released code mixes seconds by an MLP of fixed size, so that a clip must have exactly ten of them.
  "paper" leaves that MLP out and takes clips of any length; "released" keeps it.
* "paper" stops reading the question at its last word; "released" reads the padding too.
* Which instruments are there is known for rendered clips only, separately for ear and eye (the
  released training file with its one list for both is not published). Without it these two losses
  are silent. The order of instruments is the released one, `SOURCES`.
* Default streams are ours; a linear layer narrows pictures whose channels are not `width` wide.
  Seconds that a clip does not have are masked; the match loss is a mean over clips.
* The sound and its tokens look at each other once, for its own pictures and for those of another
  clip. The release does that twice, and skips branches anew for the second time.
* The released training loop ends each epoch after one batch, by a stray `break`; ours does not.
  Training does not start from AVST's weights.

The official network has 65 117 283 parameters; without its unused ResNet and other parts that reach
no output, ours has 53 423 098.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.grounding import (
    AudioGuidedGrounding,
    MatchHead,
    Pictures,
    drawn_pictures,
    match_loss,
)
from musicavqa.methods.layers.grouping import Attend, Grouping, adapt_grouping
from musicavqa.methods.layers.question_lstm import QuestionLSTM
from musicavqa.methods.layers.question_pooling import QuestionPooling
from musicavqa.methods.layers.seconds import mean_of_seconds
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Batch, Output

CARD = Card(
    title="Source-Aware Semantic Representation Network (SaSR-Net)",
    year=2024,
    venue="EMNLP Findings",
    family="spatio-temporal grounding",
    streams=("audio_yamnet", "visual_effnet"),
    truth=True,
    spatial_temporal=True,
    music_specific=True,
    reference="official code",
    official_scores="SaSR-Net",
)

SOURCES = (
    "cello", "congas", "pipa", "ukulele", "piano", "accordion", "clarinet", "guzheng", "saxophone",
    "drum", "violin", "bagpipe", "bassoon", "acoustic_guitar", "banjo", "electric_bass", "flute",
    "trumpet", "erhu", "xylophone", "tuba", "suona",
)  # fmt: skip
N_SOURCES = len(SOURCES)
N_SECONDS = 10
"""Length of every clip in the released code."""


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One map (channels, rows, columns) per second."""
    visual_width: int = 1280
    """Channels of the map."""
    width: int = 512
    """Width of everything inside."""
    n_heads: int = 4
    """Heads of the question's attention."""
    n_source_heads: int = 8
    """Heads where seconds and instrument tokens meet."""
    n_layers: int = 3
    """Transformer layers in which seconds and tokens look at each other."""
    dropout: float = 0.1
    """In the question's attention."""
    drop_path: float = 0.1
    """Share of clips for which a residual branch is skipped while training."""
    n_words: int = N_WORDS
    every_nth_second: int = 1
    """1 keeps all seconds; the paper keeps one in six of 60."""
    match_weight: float = 0.5
    source_weight: float = 0.5
    """Weight of both losses about instruments."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream

    @property
    def negatives(self) -> tuple[str, ...]:
        return (self.visual_stream,)


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_resnet18_map",  # every sixth second, and so the grid of all
    visual_width=512,
)
"""Inputs of the paper; with `n_words=93` and compat="released" official weights fit."""


class SourceReader(nn.Module):
    """Seconds (C, T, D) of one sense and instrument tokens -> seconds, gathered sources (C, 22, D).

    With `regroup`, seconds of the other sense regroup them first.
    """

    def __init__(self, options: Options, regroup: bool) -> None:
        super().__init__()
        sizes = options.width, options.n_source_heads, options.drop_path
        self.blocks = nn.ModuleList(Attend(*sizes, "self") for _ in range(options.n_layers))
        mixed = N_SECONDS if options.compat == "released" else None
        self.regroup = Grouping(*sizes, mixed, hard=False) if regroup else None
        self.gather = Grouping(*sizes, N_SOURCES, hard=True)
        self.look_back = Attend(*sizes, "before")

    def read(self, seconds: Tensor, tokens: Tensor, valid: Tensor) -> Tensor:
        """Seconds and tokens (C, T + 22, D) that have looked at each other."""
        there = torch.cat([valid, valid.new_ones(len(seconds), N_SOURCES)], dim=1)
        both = torch.cat([seconds, tokens.expand(len(seconds), -1, -1)], dim=1)
        for block in self.blocks:
            both = block(both, both, there)
        return both

    def forward(
        self, both: Tensor, valid: Tensor, other: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Of what was read, and with `regroup` of the seconds of the `other` sense."""
        seconds, sources = both.split([valid.shape[1], N_SOURCES], dim=1)
        if self.regroup is not None:
            seconds = self.regroup(other, seconds, valid, valid)
        sources = self.gather(sources, seconds, valid)
        there = valid.new_ones(len(seconds), N_SOURCES)
        return seconds + self.look_back(seconds, sources, there), sources


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.question = QuestionLSTM(options.n_words, width, options.compat == "released")
        self.audio_in = nn.Linear(options.audio_width, width)
        self.audio_out = nn.Linear(width, width)
        same = options.visual_width == width
        self.pixels = nn.Identity() if same else nn.Linear(options.visual_width, width)
        self.tokens = nn.Parameter(torch.zeros(N_SOURCES, width))
        self.name = nn.Linear(width, N_SOURCES)
        self.sound = nn.Linear(width, width)
        self.picture = nn.Linear(width, width)
        self.picture_again = nn.Linear(width, width)
        self.pictures = nn.Linear(2 * width, width)
        self.hear = SourceReader(options, regroup=True)
        self.see = SourceReader(options, regroup=False)
        self.truth = nn.ModuleDict({"heard": nn.Linear(width, 1), "seen": nn.Linear(width, 1)})
        self.where = AudioGuidedGrounding(width)
        self.match = MatchHead(width)
        self.when_heard = QuestionPooling(width, options.n_heads, options.dropout)
        self.when_seen = QuestionPooling(width, options.n_heads, options.dropout)
        self.fusion = nn.Linear(2 * width, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        step, rows = self.options.every_nth_second, batch.clip_of
        valid = batch.seconds[:, ::step]  # (C, T)
        sound = self.audio_in(batch.streams[self.options.audio_stream][:, ::step])
        sound = self.audio_out(torch.relu(sound))  # (C, T, D)
        pictures = self._pictures(batch.streams)
        sound = self.hear.read(self.sound(sound), self.tokens, valid)  # beside any picture
        audio, visual, places, sources = self._ground(pictures, sound, valid)

        question = self.question(batch.words)  # (B, D)
        heard, ears = self.when_heard(question, audio[rows], valid[rows])
        seen, eyes = self.when_seen(question, visual[rows], valid[rows])
        heard = heard + mean_of_seconds(audio, valid)[rows]
        seen = seen + mean_of_seconds(visual, valid)[rows]
        both = self.fusion(torch.tanh(torch.cat([heard, seen], dim=-1)))
        logits = self.answer(torch.tanh(both * question))

        scores = {sense: head(sources[sense])[..., 0] for sense, head in self.truth.items()}
        losses = self._name_sources(batch, scores)
        if self.options.visual_stream in batch.negatives:
            others = drawn_pictures(batch.negatives, pictures, self._pictures, step)
            other_audio, other, _, _ = self._ground(others, sound, valid)
            positive = self.match(audio[valid], visual[valid])
            negative = self.match(other_audio[valid], other[valid])
            losses["match"] = self.options.match_weight * match_loss(positive, negative)
        when = (ears + eyes) / 2
        time = when.new_zeros(len(when), batch.seconds.shape[1])
        time[:, ::step] = when
        evidence = {"time": time, "space": torch.einsum("bt,btp->bp", when, places[rows])}
        evidence |= {sense: score.sigmoid()[rows] for sense, score in scores.items()}
        return Output(logits, losses, evidence)

    def _pictures(self, streams: Mapping[str, Tensor]) -> Pictures:
        """Pixels (C, T, P, D)."""
        maps = streams[self.options.visual_stream][:, :: self.options.every_nth_second]
        return Pictures.of(self.pixels(maps.flatten(-2).transpose(-1, -2)))

    def _ground(
        self, pictures: Pictures, sound: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
        """Sound and picture (C, T, D) read with the tokens, maps (C, T, P), sources by sense."""
        whole = pictures.means
        picture = torch.cat([self.picture(whole), self.picture_again(whole)], dim=-1)
        picture = self.pictures(picture)
        audio, heard = self.hear(sound, valid, picture)
        whole, seen = self.see(self.see.read(picture, self.tokens, valid), valid)
        visual, places = self.where(audio, pictures, whole)
        return audio, visual, places, {"heard": heard, "seen": seen}

    def _name_sources(self, batch: Batch, scores: dict[str, Tensor]) -> dict[str, Tensor]:
        """Losses: each token names its instrument; which are there, where that is known."""
        weight = self.options.source_weight
        names = torch.arange(N_SOURCES, device=self.tokens.device)
        losses = {"tokens": weight * cross_entropy(self.name(self.tokens), names)}
        order = [INSTRUMENTS.index(name) for name in SOURCES]
        for sense in batch.truth.keys() & scores.keys():
            wanted = (batch.truth[sense][:, order] > 0).to(scores[sense].dtype)
            losses[sense] = weight * binary_cross_entropy_with_logits(scores[sense], wanted)
        return losses


OFFICIAL = replace(
    RELEASED, epochs=80, batch_clips=16, batch_questions=16, step_epochs=16, step_factor=0.3
)

RECIPES = {"default": USUAL, "music_avqa": OFFICIAL}

REPRODUCTION = Reproduction(
    OFFICIAL,
    "tianyu-yang1998/SaSR-Net",
    differs=(
        "The released loop leaves each epoch after one batch; here an epoch has all questions.",
        "Training starts from random weights, there from those of a trained AVST.",
        "Which instruments are there is not known for real clips: their two losses are silent.",
    ),
)

OFFICIAL_KEYS = {
    "question_encoder.word2vec.": "question.embedding.",
    "question_encoder.lstm.": "question.lstm.",
    "question_encoder.fc.": "question.out.",
    "fc_a1.": "audio_in.",
    "fc_a2.": "audio_out.",
    "sasr.av_token": "tokens",
    "sasr.fc_cls.": "name.",
    "sasr.fc_a.": "sound.",
    "sasr.fc_v.": "picture.",
    "sasr.fc_st.": "picture_again.",
    "sasr.fc_fusion.": "pictures.",
    "sasr.fc_prob_a.": "truth.heard.",
    "sasr.fc_prob_v.": "truth.seen.",
    "fc_gl.": "where.out.",
    "fc1.": "match.steps.0.",
    "fc2.": "match.steps.1.",
    "fc3.": "match.steps.2.",
    "fc4.": "match.out.",
    "attn_a.": "when_heard.attention.",
    "linear21.": "when_heard.inner.",
    "linear22.": "when_heard.outer.",
    "norm2.": "when_heard.norm.",
    "attn_v.": "when_seen.attention.",
    "linear11.": "when_seen.inner.",
    "linear12.": "when_seen.outer.",
    "norm1.": "when_seen.norm.",
    "fc_fusion.": "fusion.",
    "fc_ans.": "answer.",
} | {
    f"sasr.{official}_cug.{part}.": f"{ours}.{name}."
    for official, ours in (("audio", "hear"), ("visual", "see"))
    for part, name in (
        ("blocks", "blocks"), ("han_encoder", "regroup"), ("grouping", "gather"),
        ("cross_attn.0", "look_back"),
    )
}  # fmt: skip

DEAD_KEYS = ("visual_net.", "norm3.", "sasr.fc_prob.")
"""Official parameters that reach no output."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names and fused projections inside the two readers."""
    inside = {key: tensor for key, tensor in state.items() if "_cug." in key}
    return {k: v for k, v in state.items() if k not in inside} | adapt_grouping(inside)
