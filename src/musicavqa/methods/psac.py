"""PSAC: Beyond RNNs, Positional Self-Attention with Co-Attention for Video QA (Li et al., 2019).

Frames know their place in time and attend to each other; words, spelled out in letters too, pass a
convolutional encoder with self-attention (QANet's). A trilinear co-attention compares every frame
with every word in both directions; the mean over frames is read as an answer. Nothing recurs.

`Network` gives the numbers of the official FrameQA code (39,151,969 parameters at 36 frames, 93
words, 40 letters, 42 answers; 12,925,448 are never called, 26,226,521 remain). Its use for music is
an adaptation: MUSIC-AVQA reports a row "PSAC" without saying how it was made.

Where we differ:
* Frames are seconds of sound and seconds of picture (maps averaged over their places), in one
  sequence; both senses of a second share its place. `audio_stream=None` leaves the sound out, and
  then official weights of the same sizes fit. 512 wide by default, where the code has 2048.
* Seconds that a clip does not have are masked. Any length goes, where the code is made for 36.
* compat="paper": sinusoids for places, added behind the attention, whose scale is 1 / sqrt(head
  width); layer normalisation as it is known; padded words are zero before every convolution.
  "released": a table of `n_places` places, added before the attention, scale 1 / sqrt(frame width);
  division by the unbiased deviation plus 1e-3 (left out there for a single frame); padding is read.
* Layer dropout skips a step for single questions, where the code skips it for the whole batch.
* Word vectors start at random and are trained (theirs: GloVe, frozen). Cross-entropy over 42
  answers. Adamax and the choice of the best epoch on test questions are not offered.
* Each word is spelled once per batch, and the resizing layer acts on the mean of the frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from musicavqa.methods.card import MUSIC_AVQA, USUAL, Card, official_keys
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.multi_head import MultiHead
from musicavqa.methods.layers.qanet import QuestionEncoder, QuestionSizes
from musicavqa.methods.layers.seconds import back_on_the_grid, mean_of_seconds, picture_vectors
from musicavqa.methods.layers.spelling import N_LETTERS, spelling
from musicavqa.methods.layers.unbiased_norm import UnbiasedNorm
from musicavqa.methods.layers.words import real_words
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
    """`Model` spells our own words; others are for `Network`."""
    every_nth_second: int = 1
    """1 keeps all seconds; MUSIC-AVQA keeps one in six of 60."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        heard = () if self.audio_stream is None else (self.audio_stream,)
        return *heard, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish", audio_width=128,
    visual_stream="visual_resnet18", visual_width=512, every_nth_second=6,
)  # fmt: skip
"""Inputs of MUSIC-AVQA."""


class Network(nn.Module):
    """The official network, over plain tensors."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width = options.width
        self.frames = FrameEncoder(options)
        self.question = QuestionEncoder(
            QuestionSizes(
                options.n_words, options.n_letters, options.word_width, options.letter_width,
                width, options.n_heads, options.dropout, options.compat == "released",
            )
        )  # fmt: skip
        self.attend = CoAttention(options)
        self.resize = nn.Linear(4 * width, width, bias=False)
        self.classifier = nn.Sequential(
            weight_norm(nn.Linear(width, 2 * width), dim=None),
            nn.ReLU(),
            nn.Dropout(options.dropout_answer),
            weight_norm(nn.Linear(2 * width, N_ANSWERS), dim=None),
        )

    def forward(
        self, frames: Tensor, places: Tensor, valid: Tensor, words: Tensor, spelled: Tensor,
        rows: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Logits (B, A) and attention (B, N) over the frames.

        `frames` (C, N, F) at `places` (N,) in time, of which `valid` (C, N) are there; `words`
        (B, W) with what `question.spell` made of them (B, W, D); `rows` (B,) clip of each question.
        """
        spoken = real_words(words)
        seen = self.attend.narrow(frames + self.frames(frames, places, valid))[rows]
        read = self.question(words, spelled, spoken)
        fused, weights = self.attend(seen, read, valid[rows], spoken)
        return self.classifier(self.resize(fused)), weights


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
        inner = nn.Linear(width, width // 4), nn.ReLU(), nn.Linear(width // 4, width)
        self.feed = nn.Sequential(*inner)
        norms = (UnbiasedNorm(width, 1e-3) if released else nn.LayerNorm(width) for _ in range(2))
        self.norms = nn.ModuleList(norms)
        self.dropout = nn.Dropout(drop)

    def forward(self, frames: Tensor, places: Tensor, valid: Tensor) -> Tensor:
        if self.place is None:
            places = self.widen(sinusoids(places, self.place_width).to(frames.dtype))
            attended = self.attend(frames, frames, valid) + places
        else:
            frames = frames + self.widen(self.place(places))
            attended = self.attend(frames, frames, valid)
        state = self.norms[0](frames + self.dropout(attended))
        return self.norms[1](state + self.dropout(self.feed(state)))


class CoAttention(nn.Module):
    """Frames (B, N, D) and words (B, W, D) -> the mean frame with what words say to it (B, 4D).

    The paper joins to each frame x what the words tell it, t, and x * t and x * s, where s is what
    they tell it of the frames. Only the mean over frames is read. As t and s are sums over words,
    so is their mean product with x, and no vector is made for a frame and a question.
    """

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
        self, frames: Tensor, words: Tensor, valid: Tensor, spoken: Tensor
    ) -> tuple[Tensor, Tensor]:
        seen, read = self.dropout(frames), self.dropout(words)
        scores = (seen @ self.of_frame)[:, :, None] + (read @ self.of_word)[:, None]
        scores = scores + (seen * self.of_both) @ read.transpose(1, 2) + self.bias  # (B, N, W)
        over_words = scores.masked_fill(~spoken[:, None], -torch.inf).softmax(2)
        over_frames = scores.masked_fill(~valid[:, :, None], -torch.inf).softmax(1)
        share = (valid.to(frames.dtype) / valid.sum(1, keepdim=True))[:, :, None]  # of the mean
        told = over_words * share  # (B, N, W)
        both = torch.cat([share, told, over_frames], dim=-1).transpose(1, 2) @ frames
        mean, heard, shown = both.split([1, words.shape[1], words.shape[1]], dim=1)
        said = (
            mean[:, 0],
            (told.sum(1, keepdim=True) @ words)[:, 0],
            (heard * words).sum(1),
            (heard * shown).sum(1),
        )
        return torch.cat(said, dim=-1), mean_of_seconds(over_frames.transpose(1, 2), spoken)


def sinusoids(places: Tensor, width: int) -> Tensor:
    """Sines at even and cosines at odd columns (N, width) of 'Attention is all you need'."""
    column = torch.arange(width, device=places.device)
    angles = places[:, None] / 10000 ** (2 * (column // 2) / width)
    return torch.where(column % 2 == 0, angles.sin(), angles.cos())


class Model(nn.Module):
    spelling: Tensor

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
        n = len(senses)
        places = torch.arange(valid.shape[1], device=valid.device).repeat(n)
        spelled = self.network.question.spell(self.spelling)[batch.words]  # (B, W, D)
        frames, there = torch.cat(senses, dim=1), valid.repeat(1, n)
        given = frames, places, there, batch.words, spelled, batch.clip_of
        logits, weights = self.network(*given)
        shares = weights.unflatten(1, (n, -1)).sum(1)  # both senses of a second
        time = back_on_the_grid(shares, step, batch.seconds.shape[1])
        return Output(logits, evidence={"time": time})

    def _check(self, n_seconds: int) -> None:
        options = self.options
        if (options.n_words, options.n_letters) != (N_WORDS, N_LETTERS):
            raise ValueError(
                f"PSAC spells our own words: n_words={N_WORDS}, n_letters={N_LETTERS}, "
                f"not {options.n_words} and {options.n_letters}."
            )
        if options.compat == "released" and n_seconds > options.n_places:
            raise ValueError(
                f"PSAC as released has {options.n_places} places in time, and a clip has "
                f"{n_seconds} seconds; raise n_places or every_nth_second."
            )


RECIPES = {"default": USUAL, "music_avqa": replace(MUSIC_AVQA, gradient_clip=0.25)}

_NORMED = "parametrizations.weight.original"

OFFICIAL_OPTIONS = {"audio_stream": None, "visual_width": 2048, "frame_width": 2048, "n_places": 36}
"""The released network at its own sizes: it sees only, 36 frames of 2048 numbers each."""

OFFICIAL_KEYS = official_keys(
    ("vid_encoder.", "network.frames.", {"position_enc.": "place.", "pos_linear.": "widen."}),
    ("vid_encoder.layer_stack.0.", "network.frames.", {
        "slf_attn.w_qs": "attend.query.weight", "slf_attn.w_ks": "attend.key.weight",
        "slf_attn.w_vs": "attend.value.weight", "slf_attn.proj.linear.": "attend.merge.",
        "slf_attn.layer_norm.a_2": "norms.0.weight", "slf_attn.layer_norm.b_2": "norms.0.bias",
        "pos_ffn.layer_norm.a_2": "norms.1.weight", "pos_ffn.layer_norm.b_2": "norms.1.bias",
        "pos_ffn.w_1.": "feed.0.", "pos_ffn.w_2.": "feed.2.",
    }),
    ("ques_encoder.", "network.question.", {
        "char_emb": "letter", "word_emb": "word", "emb.conv2d.": "letters_to_word.",
        "emb.conv1d.out.": "join.", "emb_enc.self_att.query_conv.out.": "attend.query.",
        "emb_enc.self_att.keys.": "attend.key.", "emb_enc.self_att.values.": "attend.value.",
        "emb_enc.FFN_1.out.": "feed.0.", "emb_enc.FFN_2.out.": "feed.2.",
        "emb_enc.norm_C.": "norms.", "emb_enc.norm_1.": "norms.4.", "emb_enc.norm_2.": "norms.5.",
        **{f"emb.high.linear.{i}.out.": f"change.{i}." for i in range(2)},
        **{f"emb.high.gate.{i}.out.": f"gate.{i}." for i in range(2)},
        **{f"emb_enc.convs.{i}.depthwise_conv.": f"near.{i}." for i in range(4)},
        **{f"emb_enc.convs.{i}.pointwise_conv.": f"mix.{i}." for i in range(4)},
    }),
    ("ques_encoder.vqatt.", "network.attend.", {
        "w4V": "of_frame", "w4Q": "of_word", "w4mlu": "of_both", "bias": "bias",
        "trans.bias": "narrow.bias", "trans.weight_g": f"narrow.{_NORMED}0",
        "trans.weight_v": f"narrow.{_NORMED}1",
    }),
    ("ques_encoder.", "network.", {"vq_resizer.out.": "resize."}),
    *((f"classifier.main.{i}.", f"network.classifier.{i}.", {
        "bias": "bias", "weight_g": f"{_NORMED}0", "weight_v": f"{_NORMED}1",
    }) for i in (0, 3)),
)  # fmt: skip
_DEAD = ("model_enc_blks.", "out.", "emb_enc.self_att.bias")
DEAD_KEYS = tuple(f"ques_encoder.{key}" for key in _DEAD)
"""QANet's model encoder and pointer, which are built and never called, and an unused bias."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Shapes of plain linear layers: heads side by side, kernels of size one gone."""
    adapted = {}
    for key, tensor in state.items():
        if key.endswith(("w_qs", "w_ks", "w_vs")):  # (heads, in, out) -> (heads * out, in)
            tensor = tensor.transpose(1, 2).flatten(0, 1)
        elif "vqatt.w4" in key:
            tensor = tensor.flatten()
        elif "depthwise" not in key and tensor.ndim > 2:
            tensor = tensor.squeeze(2)  # a kernel of size one, or one row of letters
        head, both, _ = key.rpartition("mem_conv")
        if both:
            adapted[f"{head}keys.weight"], adapted[f"{head}values.weight"] = tensor.chunk(2)
        else:
            adapted[key] = tensor
    return adapted
