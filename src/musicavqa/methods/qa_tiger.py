"""QA-TIGER: the question shapes bell curves over time, one for each of seven experts (Kim 2025).

Question-Aware Gaussian Experts for Audio-Visual Question Answering (CVPR 2025). In every second,
sound and picture attend to themselves, to each other and to the words (one HAN layer for both);
each then asks the patches of that second. The question looks through time and from what it finds
sets centre and width of a curve for each expert, and how far to trust it; the experts read the
seconds under their curves, once the sound, once the picture with what the sound found in its
patches, and once with what the picture found. The question weighs the two pictures, then picture
against sound, and the answer is read off.

Where we differ:
* From the released code (`compat="released"` is like it): there an expert's number is looked up in
  another question of the batch at nearly every second, so an answer depends on its neighbours.
  "paper" gives each curve its own expert.
* The default streams are ours (YAMNet, EfficientNet, MiniLM); `PUBLISHED` has those of the paper,
  whose frozen CLIP text tower stands outside as the text streams. Words that are all zero are
  padding and masked; CLIP's own padding is not zero and is read, as released.
* Padded seconds are masked, and the curves lie on each clip's own length.
* The experts' second layer acts once on the sum over time (equal by linearity). Sound, picture and
  patches attend to themselves and each other once per clip.
* Dropout is 0.1 inside the HAN layer only. The released code, as a fork of it holds it, has it in
  all attentions and around the small networks of patches and of the last question as well.

Parameters in the official configuration: 14 960 212, all of them alive.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction
from musicavqa.methods.layers import N_ANSWERS
from musicavqa.methods.layers.by_clip import ByClip
from musicavqa.methods.layers.gaussian_experts import GaussianExperts
from musicavqa.methods.layers.han import HANLayer
from musicavqa.methods.layers.patches import picture_patches
from musicavqa.methods.layers.seconds import picture_vectors
from musicavqa.records import Batch, Output

CARD = Card(
    title="Question-Aware Gaussian Experts for Audio-Visual Question Answering (QA-TIGER)",
    year=2025,
    venue="CVPR",
    family="temporal experts",
    streams=("audio_yamnet", "visual_effnet"),
    texts=("text_minilm", "text_minilm_words"),
    spatial_temporal=True,
    reference="official code",
    official_scores="QA-TIGER",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One vector or map (channels, rows, columns) per second."""
    visual_width: int = 1280
    patch_stream: str = "visual_effnet"
    """Patches (P, channels) or a map per second."""
    patch_width: int = 1280
    question_text: str = "text_minilm"
    """The question as one vector."""
    words_text: str = "text_minilm_words"
    """Its words, zero rows for padding."""
    text_width: int = 384
    width: int = 512
    """Width of everything inside."""
    n_heads: int = 8
    dropout: float = 0.1
    n_experts: int = 7
    top_experts: int = 7
    """Experts that are listened to; the paper's best setting takes them all."""
    compat: Literal["paper", "released"] = "paper"

    def __post_init__(self) -> None:
        if not 1 <= self.top_experts <= self.n_experts:
            raise ValueError(
                f"top_experts is 1 to n_experts={self.n_experts}, got {self.top_experts}."
            )

    @property
    def streams(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.audio_stream, self.visual_stream, self.patch_stream)))

    @property
    def texts(self) -> tuple[str, ...]:
        return self.question_text, self.words_text


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_clip_l14_336",
    visual_width=768,
    patch_stream="visual_tome14",
    patch_width=1024,
    question_text="text_clip_l14",
    words_text="text_clip_l14_words",
    text_width=768,
)
"""Inputs of the paper; with compat="released" official weights fit."""


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width, heads = options.width, options.n_heads
        self.audio_in = nn.Linear(options.audio_width, width)
        self.visual_in = nn.Linear(options.visual_width, width)
        self.patch_in = nn.Linear(options.patch_width, width)
        self.words_in = nn.Linear(options.text_width, width)
        self.question_in = nn.Linear(options.text_width, width)
        self.exchange = HANLayer(width, 2, heads, options.dropout)
        self.patches = PatchReader(width, heads)
        experts = (width, options.n_experts, options.top_experts, heads)
        self.listen = GaussianExperts(*experts, options.compat == "released")
        self.look = GaussianExperts(*experts, options.compat == "released")
        self.norms = nn.ModuleDict({kind: nn.LayerNorm(width) for kind in ("ear", "by_ear", "eye")})
        self.weigh = QuestionWeighing(width, heads)
        self.answer = nn.Linear(width, N_ANSWERS)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, batch: Batch) -> Output:
        options, rows, streams = self.options, batch.clip_of, batch.streams
        question = self.question_in(batch.texts[options.question_text])  # (B, D)
        given = batch.texts[options.words_text]
        words = self.words_in(given), (given != 0).any(-1)  # (B, W, D), (B, W)
        valid = batch.seconds  # (C, T)
        audio = self.audio_in(streams[options.audio_stream])  # (C, T, D)
        visual = self.visual_in(picture_vectors(streams[options.visual_stream]))
        audio, visual = (
            self.exchange(audio, valid, (visual, valid), words, rows=rows),
            self.exchange(visual, valid, (audio, valid), words, rows=rows),
        )  # (B, T, D)
        valid = valid[rows]
        patches = self.patch_in(picture_patches(streams[options.patch_stream]))  # (C, T, P, D)
        (by_ear, by_eye), where = self.patches(audio, visual, patches, rows)

        when_heard = self.listen.curves(question, audio, valid)  # (B, T, E)
        when_seen = self.look.curves(question, visual, valid)
        heard = self.norms["ear"](self.listen(audio, when_heard))
        seen_by_ear = self.norms["by_ear"](self.look(visual + by_ear, when_seen))
        seen = self.norms["eye"](self.look(visual + by_eye, when_seen))
        seen = self.weigh(question, seen_by_ear, seen)
        logits = self.answer(torch.relu(self.weigh(question, seen, heard)))

        time = (_shares(when_heard) + _shares(when_seen)) / 2
        space = torch.einsum("bt,btp->bp", time, where)
        return Output(logits, {}, {"time": time, "space": space})


class PatchReader(nn.Module):
    """What the sound and the picture of each second find in its patches."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.itself = nn.MultiheadAttention(width, n_heads, batch_first=True)
        self.asked = nn.MultiheadAttention(width, n_heads, batch_first=True)
        self.mlp = _halving(width)
        self.ear_norm = nn.LayerNorm(width)
        self.eye_norm = nn.LayerNorm(width)

    def forward(
        self, audio: Tensor, visual: Tensor, patches: Tensor, rows: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Queries (B, T, D) twice, patches (C, T, P, D), clips (B,) -> two (B, T, D), (B, T, P).

        Everything about patches alone is done once per clip.
        """
        flat = patches.flatten(0, 1)
        flat = flat + self.itself(flat, flat, flat, need_weights=False)[0]
        weights, biases = self.asked.in_proj_weight.chunk(3), self.asked.in_proj_bias.chunk(3)
        keys, values = (
            self._heads(linear(flat.view_as(patches), weights[i], biases[i])) for i in (1, 2)
        )  # (C, T, H, P, D / H)
        beside = ByClip(rows, len(patches))
        asked = linear(torch.stack([audio, visual], 2), weights[0], biases[0])  # (B, T, 2, D)
        queries = self._heads(beside.gather(asked).transpose(1, 2).flatten(2, 3))
        where = (queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5).softmax(-1)
        found = (where @ values).transpose(2, 3).flatten(3)  # (C, T, 2Q, D)
        found, where = (
            beside.spread(both.unflatten(2, (-1, 2)).transpose(1, 2))
            for both in (found, where.mean(2))
        )  # (B, T, 2, D), (B, T, 2, P)
        found = self.mlp(self.asked.out_proj(found))
        ear, eye = self.ear_norm(found[:, :, 0]), self.eye_norm(found[:, :, 1])
        return (ear, eye), where.mean(2)

    def _heads(self, rows: Tensor) -> Tensor:
        return rows.unflatten(-1, (self.n_heads, -1)).transpose(2, 3)


class QuestionWeighing(nn.Module):
    """Question (B, D) and two vectors (B, D) -> one: their mean and what the question adds."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, n_heads, batch_first=True)
        self.mlp = _halving(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, question: Tensor, first: Tensor, second: Tensor) -> Tensor:
        both = torch.stack([first, second], 1)  # (B, 2, D)
        found, _ = self.attention(question[:, None], both, both, need_weights=False)
        return self.norm(both.mean(1) + self.mlp(found[:, 0]))


def _shares(curves: Tensor) -> Tensor:
    """How much of all heights (B, T, E) each second holds, (B, T)."""
    heights = curves.sum(2)
    return heights / heights.sum(1, keepdim=True)


def _halving(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, width))


OFFICIAL = replace(
    RELEASED, epochs=15, batch_clips=32, batch_questions=32, betas=(0.95, 0.999), seed=713
)

RECIPES = {"default": USUAL, "music_avqa": OFFICIAL}

REPRODUCTION = Reproduction(
    OFFICIAL,
    "AIM-SKKU/QA-TIGER configs/qa_tiger",
    differs=(
        "Dropout of 0.1 is in the HAN layer alone; the release has it in all attentions and around "
        "two small networks too (read in the fork FightSH/QA-TIGER).",
    ),
)

OFFICIAL_KEYS = {
    "audio_proj.proj.": "audio_in.",
    "video_proj.proj.": "visual_in.",
    "patch_proj.proj.": "patch_in.",
    "words_proj.proj.": "words_in.",
    "quest_proj.proj.": "question_in.",
    "crs_attn.slf_attn.": "exchange.itself.",
    "crs_attn.crs_attn.": "exchange.partners.0.",
    "crs_attn.qst_attn.": "exchange.partners.1.",
    "crs_attn.linear1.": "exchange.inner.",
    "crs_attn.linear2.": "exchange.outer.",
    "crs_attn.norm": "exchange.norm",
    "patch_selecter.slf_attn.": "patches.itself.",
    "patch_selecter.crs_attn.": "patches.asked.",
    "patch_selecter.mlp.": "patches.mlp.",
    "patch_selecter.anorm.": "patches.ear_norm.",
    "patch_selecter.vnorm.": "patches.eye_norm.",
    "quest_grounding.attn.": "weigh.attention.",
    "quest_grounding.mlp.": "weigh.mlp.",
    "quest_grounding.norm.": "weigh.norm.",
    "at_aggregator.qst_attn.": "listen.attention.",
    "at_aggregator.gauss_pred.0.": "listen.shape.",
    "at_aggregator.router.0.": "listen.router.",
    "at_aggregator.experts.": "listen.experts.",
    "at_aggregator.norm.": "norms.ear.",
    "vt_aggregator.qst_attn.": "look.attention.",
    "vt_aggregator.gauss_pred.0.": "look.shape.",
    "vt_aggregator.router.0.": "look.router.",
    "vt_aggregator.experts.": "look.experts.",
    "vt_aggregator.anorm.": "norms.by_ear.",
    "vt_aggregator.vnorm.": "norms.eye.",
    "head.": "answer.",
}

DEAD_KEYS = ("quest_encoder.",)
"""The frozen CLIP text tower, which our text streams stand for."""
