"""PSAC: Beyond RNNs, Positional Self-Attention with Co-Attention for Video QA (Li et al., 2019).

Frames know their place in time and attend to each other; words, spelled out in letters too, pass a
convolutional encoder with self-attention (QANet's). A trilinear co-attention compares every frame
with every word in both directions, the result is averaged over the frames and read as an answer.
No recurrent layer anywhere.

`Network` gives the numbers of the official FrameQA code (39,151,969 parameters at 36 frames, 93
words, 40 letters, 42 answers; 12,925,448 of them are never called, which leaves 26,226,521 here).
Its use for music is an adaptation: MUSIC-AVQA reports a row "PSAC" without saying how it was made.

Where we differ:
* Frames are seconds of sound and seconds of picture (maps averaged over their places), in one
  sequence; both senses of a second share its place. `audio_stream=None` leaves the sound out, and
  then official weights of the same sizes fit. 512 wide by default, where the code has 2048.
* Seconds that a clip does not have are masked. Any length goes, where the code is made for 36.
* compat="paper": fixed sinusoids for places, added to what the attention gives; scale 1 / sqrt(head
  width); layer normalisation as it is known; padded words are zero before every convolution.
  "released": a table of `n_places` trainable places, added before the attention; scale 1 /
  sqrt(frame width); division by the unbiased standard deviation plus 1e-3; convolutions read the
  padding. The code leaves that normalisation out for a single frame; we do not.
* Layer dropout skips a step for single questions, where the code skips it for the whole batch.
* Word vectors start at random and are trained (theirs: GloVe, frozen). Cross-entropy over 42
  answers. Adamax and the choice of the best epoch on test questions are not offered.
* Each word is spelled once per batch, so its letters share their dropout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from musicavqa.layers import N_ANSWERS, N_WORDS
from musicavqa.layers.multi_head import MultiHead
from musicavqa.layers.qanet import QuestionEncoder, QuestionSizes
from musicavqa.layers.seconds import back_on_the_grid, mean_of_seconds, picture_vectors
from musicavqa.layers.spelling import N_LETTERS, spelling
from musicavqa.layers.unbiased_norm import UnbiasedNorm
from musicavqa.layers.words import real_words
from musicavqa.methods.card import Card, Recipe
from musicavqa.records import Batch, Output

CARD = Card(
    title="Beyond RNNs: Positional Self-Attention with Co-Attention for Video QA (PSAC)",
    year=2019,
    venue="AAAI",
    family="co-attention",
    streams=("audio_yamnet", "visual_effnet"),
    reference="adapted",
    official_scores="PSAC",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str | None = "audio_yamnet"
    """One vector per second; None reads pictures only, as PSAC does."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One vector or one map (averaged over its places) per second."""
    visual_width: int = 1280
    frame_width: int = 512
    """Width of the frames' self-attention; picture vectors of another width are mapped to it."""
    width: int = 512
    """Width of words, co-attention and answer."""
    word_width: int = 300
    letter_width: int = 64
    place_width: int = 300
    """Width of the places in time before they are mapped."""
    n_places: int = 60
    """Most seconds (after `every_nth_second`) of a clip; only for compat="released"."""
    n_heads: int = 8
    dropout: float = 0.1
    dropout_answer: float = 0.5
    n_words: int = N_WORDS
    n_letters: int = N_LETTERS
    """Sizes of the vocabularies. `Model` spells our own words; others are for `Network`."""
    every_nth_second: int = 1
    """1 keeps all seconds; MUSIC-AVQA keeps one in six of 60."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        heard = () if self.audio_stream is None else (self.audio_stream,)
        return *heard, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_resnet18",
    visual_width=512,
    every_nth_second=6,
)
"""Inputs of MUSIC-AVQA."""


class Network(nn.Module):
    """The official network, over plain tensors."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width = options.width
        self.frames = FrameEncoder(options)
        self.question = QuestionEncoder(_question_sizes(options))
        self.attend = CoAttention(options)
        self.resize = nn.Linear(4 * width, width, bias=False)
        self.classifier = nn.Sequential(
            weight_norm(nn.Linear(width, 2 * width), dim=None),
            nn.ReLU(),
            nn.Dropout(options.dropout_answer),
            weight_norm(nn.Linear(2 * width, N_ANSWERS), dim=None),
        )

    def forward(
        self,
        frames: torch.Tensor,
        places: torch.Tensor,
        valid: torch.Tensor,
        words: torch.Tensor,
        spelled: torch.Tensor,
        rows: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, A) and attention (B, N) over the frames.

        `frames` (C, N, F) at `places` (N,) in time, of which `valid` (C, N) are there; `words`
        (B, W) with what `question.spell` made of them (B, W, D); `rows` (B,) clip of each question.
        """
        spoken = real_words(words)
        seen = self.attend.narrow(frames + self.frames(frames, places, valid))[rows]
        read = self.question(words, spelled, spoken)
        fused, weights = self.attend(seen, read, valid[rows], spoken)
        return self.classifier(self.resize(fused)), weights


def _question_sizes(options: Options) -> QuestionSizes:
    return QuestionSizes(
        n_words=options.n_words,
        n_letters=options.n_letters,
        word_width=options.word_width,
        letter_width=options.letter_width,
        width=options.width,
        n_heads=options.n_heads,
        dropout=options.dropout,
        reads_padding=options.compat == "released",
    )


class FrameEncoder(nn.Module):
    """What frames (C, N, F) learn from their place and from each other, of the same shape."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width, released = options.frame_width, options.compat == "released"
        self.place_width = options.place_width
        self.place = nn.Embedding(options.n_places, options.place_width) if released else None
        self.widen = nn.Linear(options.place_width, width)
        scale = width**-0.5 if released else None
        heads, drop = options.n_heads, options.dropout
        self.attend = MultiHead(width, heads, drop, bias=False, scale=scale)
        self.attend.merge = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, width)
        )
        norms = (UnbiasedNorm(width, 1e-3) if released else nn.LayerNorm(width) for _ in range(2))
        self.norms = nn.ModuleList(norms)
        self.dropout = nn.Dropout(drop)

    def forward(
        self, frames: torch.Tensor, places: torch.Tensor, valid: torch.Tensor
    ) -> torch.Tensor:
        if self.place is None:
            waves = sinusoids(places, self.place_width).to(frames.dtype)
            attended = self.attend(frames, frames, valid) + self.widen(waves)
            state = self.norms[0](frames + self.dropout(attended))
        else:
            placed = frames + self.widen(self.place(places))
            state = self.norms[0](placed + self.dropout(self.attend(placed, placed, valid)))
        return self.norms[1](state + self.dropout(self.feed(state)))


class CoAttention(nn.Module):
    """Frames (B, N, D) and words (B, W, D) -> the mean frame with what words say to it (B, 4D)."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width = options.width
        self.narrow = weight_norm(nn.Linear(options.frame_width, width))
        self.of_frame, self.of_word, self.of_both = (
            nn.Parameter(torch.randn(width) * width**-0.5) for _ in range(3)
        )
        self.bias = nn.Parameter(torch.zeros(1))
        self.dropout = nn.Dropout(options.dropout)

    def forward(
        self,
        frames: torch.Tensor,
        words: torch.Tensor,
        valid: torch.Tensor,
        spoken: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen, read = self.dropout(frames), self.dropout(words)
        scores = (seen @ self.of_frame)[:, :, None] + (read @ self.of_word)[:, None]
        scores = scores + (seen * self.of_both) @ read.transpose(1, 2) + self.bias  # (B, N, W)
        over_words = scores.masked_fill(~spoken[:, None], -torch.inf).softmax(2)
        over_frames = scores.masked_fill(~valid[:, :, None], -torch.inf).softmax(1)
        told = over_words @ words
        shown = over_words @ (over_frames.transpose(1, 2) @ frames)
        said = (frames, told, frames * told, frames * shown)
        fused = torch.cat([mean_of_seconds(part, valid) for part in said], dim=-1)
        weights = mean_of_seconds(over_frames.transpose(1, 2), spoken)  # (B, N)
        return fused, weights


def sinusoids(places: torch.Tensor, width: int) -> torch.Tensor:
    """Sines at even and cosines at odd columns (N, width) of 'Attention is all you need'."""
    column = torch.arange(width, device=places.device)
    angles = places[:, None] / 10000 ** (2 * (column // 2) / width)
    return torch.where(column % 2 == 0, angles.sin(), angles.cos())


class Model(nn.Module):
    spelling: torch.Tensor

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.frame_width
        self.network = Network(options)
        same = options.visual_width == width
        self.picture = nn.Identity() if same else nn.Linear(options.visual_width, width)
        if options.audio_stream is not None:
            self.audio = nn.Linear(options.audio_width, width)
        self.register_buffer("spelling", spelling(), persistent=False)

    def forward(self, batch: Batch) -> Output:
        step = self.options.every_nth_second
        valid = batch.seconds[:, ::step]  # (C, T)
        self._check(valid.shape[1])
        pictures = picture_vectors(batch.streams[self.options.visual_stream][:, ::step])
        senses = [self.picture(pictures)]
        if self.options.audio_stream is not None:
            senses.append(self.audio(batch.streams[self.options.audio_stream][:, ::step]))
        n_senses = len(senses)
        places = torch.arange(valid.shape[1], device=valid.device).repeat(n_senses)
        table = self.network.question.spell(self.spelling)  # (N_WORDS, D)
        spelled = nn.functional.embedding(batch.words, table)
        logits, weights = self.network(
            torch.cat(senses, dim=1),
            places,
            valid.repeat(1, n_senses),
            batch.words,
            spelled,
            batch.clip_of,
        )
        shares = weights.unflatten(1, (n_senses, -1)).sum(1)  # both senses of a second
        time = back_on_the_grid(shares, step, batch.seconds.shape[1])
        return Output(logits, evidence={"time": time})

    def _check(self, n_seconds: int) -> None:
        options = self.options
        if options.n_words != N_WORDS:
            raise ValueError(f"PSAC spells our own {N_WORDS} words, not n_words={options.n_words}.")
        if options.n_letters != N_LETTERS:
            raise ValueError(
                f"PSAC has our {N_LETTERS} letters, not n_letters={options.n_letters}."
            )
        if options.compat == "released" and n_seconds > options.n_places:
            raise ValueError(
                f"PSAC as released has {options.n_places} places in time, and a clip has "
                f"{n_seconds} seconds; raise n_places or every_nth_second."
            )


RECIPES = {
    "default": Recipe(
        epochs=30, batch_clips=16, learning_rate=3e-4, weight_decay=0.01,
        warmup_epochs=1, gradient_clip=1.0, patience=8,
    ),
    "music_avqa": Recipe(
        epochs=30, batch_clips=64, learning_rate=1e-4, optimizer="adam", schedule="step",
        step_epochs=10, gradient_clip=0.25, max_questions_per_clip=1,
    ),
}  # fmt: skip

_WEIGHT = "parametrizations.weight.original"
_STACK = "vid_encoder.layer_stack.0."

OFFICIAL_KEYS = {
    "vid_encoder.position_enc.": "network.frames.place.",
    "vid_encoder.pos_linear.": "network.frames.widen.",
    f"{_STACK}slf_attn.w_qs": "network.frames.attend.query.weight",
    f"{_STACK}slf_attn.w_ks": "network.frames.attend.key.weight",
    f"{_STACK}slf_attn.w_vs": "network.frames.attend.value.weight",
    f"{_STACK}slf_attn.proj.linear.": "network.frames.attend.merge.",
    f"{_STACK}slf_attn.layer_norm.a_2": "network.frames.norms.0.weight",
    f"{_STACK}slf_attn.layer_norm.b_2": "network.frames.norms.0.bias",
    f"{_STACK}pos_ffn.w_1.": "network.frames.feed.0.",
    f"{_STACK}pos_ffn.w_2.": "network.frames.feed.2.",
    f"{_STACK}pos_ffn.layer_norm.a_2": "network.frames.norms.1.weight",
    f"{_STACK}pos_ffn.layer_norm.b_2": "network.frames.norms.1.bias",
    "ques_encoder.char_emb": "network.question.letter",
    "ques_encoder.word_emb": "network.question.word",
    "ques_encoder.emb.conv2d.": "network.question.letters_to_word.",
    "ques_encoder.emb.conv1d.out.": "network.question.join.",
    "ques_encoder.emb_enc.self_att.query_conv.out.": "network.question.attend.query.",
    "ques_encoder.emb_enc.self_att.keys.": "network.question.attend.key.",
    "ques_encoder.emb_enc.self_att.values.": "network.question.attend.value.",
    "ques_encoder.emb_enc.FFN_1.out.": "network.question.feed.0.",
    "ques_encoder.emb_enc.FFN_2.out.": "network.question.feed.2.",
    "ques_encoder.emb_enc.norm_C.": "network.question.norms.",
    "ques_encoder.emb_enc.norm_1.": "network.question.norms.4.",
    "ques_encoder.emb_enc.norm_2.": "network.question.norms.5.",
    "ques_encoder.vqatt.w4V": "network.attend.of_frame",
    "ques_encoder.vqatt.w4Q": "network.attend.of_word",
    "ques_encoder.vqatt.w4mlu": "network.attend.of_both",
    "ques_encoder.vqatt.bias": "network.attend.bias",
    "ques_encoder.vqatt.trans.bias": "network.attend.narrow.bias",
    "ques_encoder.vqatt.trans.weight_g": f"network.attend.narrow.{_WEIGHT}0",
    "ques_encoder.vqatt.trans.weight_v": f"network.attend.narrow.{_WEIGHT}1",
    "ques_encoder.vq_resizer.out.": "network.resize.",
}
for _place in range(2):
    OFFICIAL_KEYS |= {
        f"ques_encoder.emb.high.linear.{_place}.out.": f"network.question.change.{_place}.",
        f"ques_encoder.emb.high.gate.{_place}.out.": f"network.question.gate.{_place}.",
        f"classifier.main.{3 * _place}.bias": f"network.classifier.{3 * _place}.bias",
        f"classifier.main.{3 * _place}.weight_g": f"network.classifier.{3 * _place}.{_WEIGHT}0",
        f"classifier.main.{3 * _place}.weight_v": f"network.classifier.{3 * _place}.{_WEIGHT}1",
    }
for _place in range(4):
    _conv = f"ques_encoder.emb_enc.convs.{_place}."
    OFFICIAL_KEYS[f"{_conv}depthwise_conv."] = f"network.question.near.{_place}."
    OFFICIAL_KEYS[f"{_conv}pointwise_conv."] = f"network.question.mix.{_place}."

DEAD_KEYS = (
    "ques_encoder.model_enc_blks.", "ques_encoder.out.", "ques_encoder.emb_enc.self_att.bias",
)  # fmt: skip
"""QANet's model encoder and pointer, which are built and never called, and an unused bias."""


def adapt_official(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Shapes of plain linear layers: heads side by side, kernels of size one gone."""
    adapted = {}
    for key, tensor in state.items():
        if key.endswith(("w_qs", "w_ks", "w_vs")):  # (heads, in, out) -> (heads * out, in)
            adapted[key] = tensor.transpose(1, 2).flatten(0, 1)
        elif "vqatt.w4" in key:
            adapted[key] = tensor.flatten()
        elif "mem_conv" in key:
            head, _, _ = key.rpartition("mem_conv")
            keys, values = tensor[..., 0].chunk(2)
            adapted |= {f"{head}keys.weight": keys, f"{head}values.weight": values}
        elif "depthwise" in key or tensor.ndim < 3:
            adapted[key] = tensor
        else:
            adapted[key] = tensor.squeeze(2)  # a kernel of size one, or one row of letters
    return adapted
