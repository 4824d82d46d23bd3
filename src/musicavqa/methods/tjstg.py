"""TJSTG: target-aware joint spatio-temporal grounding (Jiang and Yin, EMNLP Findings 2023).

Target-Aware Spatio-Temporal Reasoning via Answering Questions in Dynamic Audio-Visual Scenarios.
One word of the question, its target, is picked by attention. Target and sound each look for their
place in the picture; the sum of both maps grounds it. Seconds of picture and sound then stand in
one row, picture, sound, picture, sound, in which the question looks for its moments. Side tasks:
do sound and picture belong together (pictures of other clips are the negatives), and do both senses
get their attention at the same seconds.

Where we differ (there is released code; the paper's text was not at hand beyond its abstract):
* The released code hands targets out time-major over maps that are clip-major, so that with more
  than one question a map meets the target of another one, and it needs exactly ten seconds.
  compat="released" does that (on any length); "paper" gives each question its own target.
* The target is a hard choice, so the released attention that makes it never learns. "paper" lets
  the gradient pass as if the choice were soft (straight through); what comes out is the same. No
  dropout inside this choice.
* "released" reads padding words like real words. "paper" does not, and never picks one as target.
* The sum of both maps is cut at 0.01, which is what 14 x 14 places get without any preference;
  "paper" scales the cut with the number of places, "released" does not.
* The synchrony loss is a Jensen-Shannon divergence. The released one hands probabilities to a
  function that wants their logarithms and does not bring each sense's weights to sum to one;
  nothing depends on it but training, and we have no version of that error.
* Default streams are ours; a linear layer narrows pictures whose channels are not `width` wide.
  Seconds that a clip does not have are masked. Grounding depends on the question here, so match
  rows are seconds of questions, as released. No start from AVST's grounding weights.

The official configuration has 11 792 300 parameters, of which 1 248 000 reach no output; ours has
10 544 300.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize, one_hot
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.by_clip import ByClip
from musicavqa.methods.layers.grounding import (
    MatchHead,
    Pictures,
    drawn_pictures,
    match_loss,
)
from musicavqa.methods.layers.question_pooling import QuestionPooling
from musicavqa.methods.layers.seconds import mean_of_seconds
from musicavqa.methods.layers.words import BothWaysLSTM, count_words, real_words
from musicavqa.records import Batch, Output

CARD = Card(
    title="Target-Aware Spatio-Temporal Reasoning via Answering Questions (TJSTG)",
    year=2023,
    venue="EMNLP Findings",
    family="spatio-temporal grounding",
    streams=("audio_yamnet", "visual_effnet"),
    spatial_temporal=True,
    reference="official code",
    official_scores="TJSTG",
)

PLACES = 196
"""Places of the paper's maps, for which the cut of 0.01 was meant."""


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
    dropout: float = 0.1
    """In the attention over seconds."""
    n_words: int = N_WORDS
    every_nth_second: int = 1
    """1 keeps all seconds; the paper keeps one in six of 60."""
    cut: float = 0.01
    """Places where both maps together have no more than this, at 14 x 14 places, count as zero."""
    match_weight: float = 0.5
    synchrony_weight: float = 1.0
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


class TargetedQuestion(nn.Module):
    """words (B, W) -> question vector (B, D) and the vector of its target word (B, D)."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width = options.width
        self.released = options.compat == "released"
        self.n_heads = options.n_heads
        self.embedding = nn.Embedding(options.n_words, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.out = nn.Linear(2 * width, width)
        self.look = nn.Linear(width, 2 * width)
        """Queries and keys of the choice, one below the other."""
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)

    def forward(self, words: Tensor) -> tuple[Tensor, Tensor]:
        states, hidden, cell = self._read(words)
        question = self.out(torch.tanh(torch.cat([hidden, cell], dim=-1)))
        target = torch.einsum("bw,bwd->bd", self._choose(states, cell, words), states)
        return question, self.outer(torch.relu(self.inner(target)))

    def _read(self, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States (B, W, D) of all words, state and memory cell (B, D) after the last."""
        vectors = torch.tanh(self.embedding(words))
        if self.released:
            states, (hidden, cell) = self.lstm(vectors)
            return states, hidden[-1], cell[-1]
        lengths = count_words(words).cpu()
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        packed, (hidden, cell) = self.lstm(packed)
        states, _ = pad_packed_sequence(packed, batch_first=True, total_length=words.shape[1])
        return states, hidden[-1], cell[-1]

    def _choose(self, states: Tensor, cell: Tensor, words: Tensor) -> Tensor:
        """One-hot choice (B, W) of the word that the memory cell attends to most."""
        queries, keys = self.look.weight.chunk(2)
        query_bias, key_bias = self.look.bias.chunk(2)
        query = linear(cell, queries, query_bias).unflatten(-1, (self.n_heads, -1))
        key = linear(states, keys, key_bias).unflatten(-1, (self.n_heads, -1))
        scores = torch.einsum("bhd,bwhd->bhw", query, key) / key.shape[-1] ** 0.5
        if not self.released:
            scores = scores.masked_fill(~real_words(words)[:, None], -torch.inf)
        weights = scores.softmax(-1).mean(1)
        choice = one_hot(weights.argmax(-1), weights.shape[-1]).to(weights.dtype)
        return choice if self.released else choice + (weights - weights.detach())


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.question = TargetedQuestion(options)
        self.audio_in = nn.Linear(options.audio_width, width)
        self.audio_out = nn.Linear(width, width)
        same = options.visual_width == width
        self.pixels = nn.Identity() if same else nn.Linear(options.visual_width, width)
        self.ground = nn.Linear(2 * width, width)
        self.match = MatchHead(width)
        self.hear = BothWaysLSTM(width, width // 2)
        self.see = BothWaysLSTM(width, width // 2)
        self.when = QuestionPooling(width, options.n_heads, options.dropout)
        self.fusion = nn.Linear(2 * width, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        step, rows = self.options.every_nth_second, batch.clip_of
        valid = batch.seconds[:, ::step]  # (C, T)
        there = valid[rows]  # (B, T)
        audio = self.audio_in(batch.streams[self.options.audio_stream][:, ::step])
        audio = self.audio_out(torch.relu(audio))  # (C, T, D)
        question, target = self.question(batch.words)
        targets = self._targets(target, valid.shape[1])  # (B, T, D)
        beside = ByClip(rows, len(audio))  # questions of one clip share its pixels
        asked = normalize(torch.cat([audio[:, None], beside.gather(targets)], dim=1), dim=-1)
        pictures = self._pictures(batch.streams)
        visual, places = self._look(pictures, asked, beside)  # (B, T, D), (B, T, P)

        heard = torch.cat(self.hear(audio, valid), dim=-1)[rows]
        seen = torch.cat(self.see(visual, there), dim=-1)
        tokens = torch.stack([seen, heard], dim=2).flatten(1, 2)  # (B, 2T, D)
        attended, weights = self.when(question, tokens, there.repeat_interleave(2, dim=1))
        eyes, ears = weights[:, ::2], weights[:, 1::2]
        means = [mean_of_seconds(audio, valid)[rows], mean_of_seconds(visual, there)]
        both = self.fusion(torch.tanh(torch.cat(means, dim=-1))) + attended
        logits = self.answer(torch.tanh(both * question))

        losses = {"synchrony": self.options.synchrony_weight * _divergence(eyes, ears)}
        if self.options.visual_stream in batch.negatives:
            others = drawn_pictures(batch.negatives, pictures, self._pictures, step)
            other, _ = self._look(others, asked, beside)
            positive = self.match(audio[rows][there], visual[there])
            negative = self.match(audio[rows][there], other[there])
            losses["match"] = self.options.match_weight * match_loss(positive, negative)
        when = eyes + ears
        time = when.new_zeros(len(when), batch.seconds.shape[1])
        time[:, ::step] = when
        space = torch.einsum("bt,btp->bp", when, places)
        return Output(logits, losses, {"time": time, "space": space})

    def _targets(self, target: Tensor, n_seconds: int) -> Tensor:
        """The target (B, T, D) that each second of each question looks for."""
        if self.options.compat == "paper":
            return target[:, None].expand(-1, n_seconds, -1)
        place = torch.arange(len(target) * n_seconds, device=target.device)
        return target[place % len(target)].unflatten(0, (len(target), n_seconds))

    def _pictures(self, streams: Mapping[str, Tensor]) -> Pictures:
        """Pixels (C, T, P, D)."""
        maps = streams[self.options.visual_stream][:, :: self.options.every_nth_second]
        return Pictures.of(self.pixels(maps.flatten(-2).transpose(-1, -2)))

    def _look(self, seen: Pictures, asked: Tensor, beside: ByClip) -> tuple[Tensor, Tensor]:
        """Pictures (B, T, D) grounded by sound and target, and the maps (B, T, P) of that.

        `asked` (C, 1 + Q, T, D) are directions: of the sound, then of each question's target.
        """
        lengths = seen.lengths[:, None]
        shares = (seen.compare(asked) / lengths).softmax(-1)
        both = shares[:, :1] + shares[:, 1:]
        cut = self.options.cut
        if self.options.compat == "paper":
            cut = cut * PLACES / both.shape[-1]
        where = both.masked_fill(both <= cut, 0.0).softmax(-1)  # (C, Q, T, P)
        found = beside.spread(seen.sum(where / lengths))
        means = seen.means[beside.clip_of]
        return self.ground(torch.tanh(torch.cat([means, found], dim=-1))), beside.spread(where)


def _divergence(first: Tensor, second: Tensor) -> Tensor:
    """Mean Jensen-Shannon divergence of rows (B, T), each brought to a sum of one."""
    smallest = torch.finfo(first.dtype).tiny
    first = first / first.sum(-1, keepdim=True).clamp(min=smallest)
    second = second / second.sum(-1, keepdim=True).clamp(min=smallest)
    middle = ((first + second) / 2).clamp(min=smallest).log()
    apart = sum(p * (p.clamp(min=smallest).log() - middle) for p in (first, second))
    return apart.sum(-1).mean() / 2


OFFICIAL = replace(RELEASED, learning_rate=2e-4, step_epochs=12)

RECIPES = {"default": USUAL, "music_avqa": OFFICIAL}

REPRODUCTION = Reproduction(
    OFFICIAL,
    "Bravo5542/TJSTG",
    differs=(
        "Training starts from random weights, there from those of AVST's grounding stage.",
        "Negatives are seconds of other clips of the batch, there of the whole split.",
    ),
)

LSTM_PARTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")

OFFICIAL_KEYS = {
    "question_encoder.word2vec.": "question.embedding.",
    "question_encoder.lstm.": "question.lstm.",
    "question_encoder.fc.": "question.out.",
    "question_encoder.fc1.": "question.inner.",
    "question_encoder.fc2.": "question.outer.",
    "question_encoder.attn.in_proj_": "question.look.",
    "fc_a1.": "audio_in.",
    "fc_a2.": "audio_out.",
    "fc_gl.": "ground.",
    "fc1.": "match.steps.0.",
    "fc2.": "match.steps.1.",
    "fc3.": "match.steps.2.",
    "fc4.": "match.out.",
    "a_gru.": "hear.forwards.",
    "v_gru.": "see.forwards.",
    "attn_av.": "when.attention.",
    "linearav1.": "when.inner.",
    "linearav2.": "when.outer.",
    "normav.": "when.norm.",
    "fc_fusion.": "fusion.",
    "fc_ans.": "answer.",
} | {
    f"{official}.{part}_reverse": f"{ours}.backwards.{part}"
    for official, ours in (("a_gru", "hear"), ("v_gru", "see"))
    for part in LSTM_PARTS
}

DEAD_KEYS = (
    "fc_a1_pure.", "fc_a2_pure.", "fc_avq.", "qvfc.", "question_encoder.attn.out_proj.",
)  # fmt: skip
"""Official parameters that reach no output."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of the attention that chooses the target only queries and keys matter, not its values."""
    choice = "question_encoder.attn.in_proj_"
    return {k: v[: len(v) // 3 * 2] if k.startswith(choice) else v for k, v in state.items()}
