"""PSTP-Net: from segments to regions to what sounds in them, step by step (Li, Hou and Hu, 2023).

Progressive Spatio-temporal Perception for Audio-Visual Question Answering (ACM MM 2023). The clip
is cut into `n_segments`; the question picks `top_k` of them, then in each of their seconds `top_m`
patches, and the sound of the second listens to these patches. Beside it runs a cheap global path,
one HAN layer over all seconds. What all steps found is brought together, multiplied with the
question and read as an answer.

Where we differ:
* From the released code (`compat="released"` is like it): it computes the steps and throws them
  away; only sound, pictures and words of the question reach its answer, and its selections mix the
  items of a batch. "paper" uses these steps and no words, and each question selects for itself.
  One step is in neither: the attention between segments (AVClipAttn, `SegmentTempAttn` in the
  code), which the released forward pass never calls.
* From the paper: it does not say how the tokens of all steps become one vector. "paper" takes the
  mean of those of each sense, joins the two, and reads them through ReLU and a linear layer, which
  the release has (`fc_av_fusion`) and does not use; "released" has self-attention over seconds and
  words, and the mean. In the global path sound and picture change at the same
  time (in the code the picture sees the changed sound). Selections learn straight through (in the
  code nothing reaches them).
* The default streams are ours (YAMNet, EfficientNet, MiniLM); `PUBLISHED` has those of the paper.
* Padded seconds are masked. Segments are parts of each clip's own length; a clip with fewer seconds
  than segments has one segment per second.
* A patch is projected once for all questions that selected its second.

Parameters in the official configuration: 2 453 546 in "released" (the release carries 16 383 018,
of which all others reach no answer); 7 181 354 in "paper" with the paper's streams, and 1.34 GFLOPs
a question about a minute (the paper states 1.22).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction
from musicavqa.methods.layers import N_ANSWERS
from musicavqa.methods.layers.han import HANLayer
from musicavqa.methods.layers.patches import picture_patches
from musicavqa.methods.layers.question_pooling import QuestionPooling
from musicavqa.methods.layers.seconds import mean_of_seconds, picture_vectors, take_seconds
from musicavqa.methods.layers.selection import Relevance, best, pass_back, places_of
from musicavqa.records import Batch, Output

CARD = Card(
    title="Progressive Spatio-temporal Perception for Audio-Visual Question Answering (PSTP-Net)",
    year=2023,
    venue="ACM MM",
    family="selection",
    streams=("audio_yamnet", "visual_effnet"),
    texts=("text_minilm",),
    spatial_temporal=True,
    reference="official code",
    official_scores="PSTP-Net",
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
    """Patches (P, channels) or a map per second; "released" does without."""
    patch_width: int = 1280
    question_text: str = "text_minilm"
    """The question as one vector."""
    words_text: str = "text_minilm_words"
    """Its words, zero rows for padding; only "released" reads them."""
    text_width: int = 384
    width: int = 512
    """Width of everything inside."""
    n_heads: int = 4
    dropout: float = 0.1
    n_segments: int = 20
    """Parts of a clip; the released default is 12."""
    top_k: int = 7
    """Segments that are looked at closely; the released default is 2."""
    top_m: int = 20
    """Patches kept of a second; the released default is 25."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        both = (self.audio_stream, self.visual_stream)
        return (
            both if self.compat == "released" else tuple(dict.fromkeys((*both, self.patch_stream)))
        )

    @property
    def texts(self) -> tuple[str, ...]:
        words = (self.words_text,) if self.compat == "released" else ()
        return self.question_text, *words


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_clip_b32",
    visual_width=512,
    patch_stream="visual_clip_b32_patches",
    patch_width=512,
    question_text="text_clip_b32",
    words_text="text_clip_b32_words",
    text_width=512,
)
"""Inputs of the paper; with compat="released" official weights fit."""

Tokens = tuple[Tensor, Tensor]
"""Tokens (B, N, D), and which of them are there (B, N)."""


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.audio_in = nn.Linear(options.audio_width, width)
        self.visual_in = nn.Linear(options.visual_width, width)
        self.question_in = nn.Linear(options.text_width, width)
        if options.compat == "released":
            self.words_in = nn.Linear(options.text_width, width)
            self.gather = HANLayer(width, 0, 1, options.dropout)
        else:
            self.exchange = HANLayer(width, 1, 1, options.dropout)
            self.steps = Steps(options)
            self.fusion = nn.Linear(2 * width, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        options = self.options
        audio = self.audio_in(batch.streams[options.audio_stream])  # (C, T, D)
        visual = self.visual_in(picture_vectors(batch.streams[options.visual_stream]))
        question = self.question_in(batch.texts[options.question_text])  # (B, D)
        evidence: dict[str, Tensor] = {}
        if options.compat == "released":
            whole = self._gathered(audio, visual, batch)
        else:
            whole, evidence = self._fused(question, audio, visual, batch)
        return Output(self.answer(torch.tanh(whole * question)), {}, evidence)

    def _gathered(self, audio: Tensor, visual: Tensor, batch: Batch) -> Tensor:
        """Seconds and words attend to each other; their mean (B, D)."""
        rows, valid = batch.clip_of, batch.seconds
        words = batch.texts[self.options.words_text]
        joined = torch.cat([audio[rows], visual[rows], self.words_in(words)], dim=1)
        there = torch.cat([valid[rows], valid[rows], (words != 0).any(-1)], dim=1)
        return mean_of_seconds(self.gather(joined, there), there)

    def _fused(
        self, question: Tensor, audio: Tensor, visual: Tensor, batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The means of what all steps heard and saw, joined (B, D), and evidence.

        What belongs to the clip is summed once per clip.
        """
        rows, valid = batch.clip_of, batch.seconds
        heard = self.exchange(audio, valid, (visual, valid))
        seen = self.exchange(visual, valid, (audio, valid))
        found, evidence = self.steps(question, audio, visual, batch)
        means = []
        for whole, of_steps in ((audio + heard, found["audio"]), (visual + seen, found["visual"])):
            total = whole.masked_fill(~valid[..., None], 0.0).sum(1)[rows]
            n_tokens = 2 * valid.sum(1)[rows]
            for tokens, there in of_steps:
                total = total + tokens.masked_fill(~there[..., None], 0.0).sum(1)
                n_tokens = n_tokens + there.sum(1)
            means.append(total / n_tokens[:, None])
        return self.fusion(torch.relu(torch.cat(means, dim=-1))), evidence


class Steps(nn.Module):
    """Segments, then regions in them, then what sounds in those."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width, heads, dropout = options.width, options.n_heads, options.dropout
        self.segment_in = nn.Linear(2 * width, width)
        self.which_segment = Relevance(width, heads, dropout)
        self.patch_in = nn.Linear(options.patch_width, width)
        self.which_patch = Relevance(width, heads, dropout)
        self.sounding = QuestionPooling(width, heads, dropout)

    def forward(
        self, question: Tensor, audio: Tensor, visual: Tensor, batch: Batch
    ) -> tuple[dict[str, list[Tokens]], dict[str, Tensor]]:
        """Question (B, D), audio and visual (C, T, D) -> tokens of each sense, and evidence."""
        rows = batch.clip_of
        shares, time, chosen = self.segments(question, audio, visual, batch)  # each (B, T)
        places, there = places_of(chosen)  # (B, N)
        strength = shares.gather(1, places)
        sounds = pass_back(take_seconds(audio[rows], places), strength)  # (B, N, D)
        pictures = pass_back(take_seconds(visual[rows], places), strength)
        patches, where = self.regions(question, places, batch)  # (B, N, M, D), (B, N, P)
        heard, _ = self.sounding(sounds.flatten(0, 1), patches.flatten(0, 1))
        looked = (patches.flatten(1, 2), there.repeat_interleave(patches.shape[2], 1))
        visual_tokens = [(pictures, there), (heard.view_as(sounds), there), looked]
        tokens: dict[str, list[Tokens]] = {"audio": [(sounds, there)], "visual": visual_tokens}
        return tokens, {"time": time, "space": mean_of_seconds(where, there)}

    def segments(
        self, question: Tensor, audio: Tensor, visual: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Per second (B, T): the share of its segment, its part of that share, is it chosen."""
        rows, valid = batch.clip_of, batch.seconds
        segment_of, table = _segments(valid, self.options.n_segments)
        counts = table.sum(1)  # (C, K)
        means = torch.einsum("ctk,ctd->ckd", table.to(audio), torch.cat([audio, visual], -1))
        means = means / counts.clamp(min=1)[..., None]
        segments, exists = self.segment_in(torch.tanh(means)), counts > 0
        shares = self.which_segment(question, segments[rows], exists[rows])  # (B, K)
        chosen = best(shares, self.options.top_k, exists[rows])
        of = segment_of[rows]
        share = shares.gather(1, of)
        time = (share / counts[rows].gather(1, of).clamp(min=1)).masked_fill(~valid[rows], 0.0)
        return share, time, chosen.gather(1, of) & valid[rows]

    def regions(self, question: Tensor, places: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Patches (B, N, M, D) chosen in the seconds `places` (B, N), and all shares (B, N, P)."""
        every = picture_patches(batch.streams[self.options.patch_stream])  # (C, T, P, channels)
        pairs = batch.clip_of[:, None] * every.shape[1] + places
        read, where = pairs.unique(return_inverse=True)
        patches = self.patch_in(every.flatten(0, 1)[read])[where].flatten(0, 1)  # (B N, P, D)
        asked = question[:, None].expand(*places.shape, -1).flatten(0, 1)
        shares = self.which_patch(asked, patches)
        spots, _ = places_of(best(shares, self.options.top_m))
        chosen = pass_back(take_seconds(patches, spots), shares.gather(1, spots))
        return chosen.unflatten(0, places.shape), shares.unflatten(0, places.shape)


def _segments(valid: Tensor, n_segments: int) -> tuple[Tensor, Tensor]:
    """The segment of each second (C, T), and the same as a table (C, T, K) of zeros and ones.

    A clip of n seconds has min(n, n_segments) segments of equal length, give or take a second.
    """
    n_seconds = valid.sum(1, keepdim=True)  # (C, 1)
    n_most = min(n_segments, valid.shape[1])
    seconds = torch.arange(valid.shape[1], device=valid.device)
    part = (seconds * n_seconds.clamp(max=n_segments) // n_seconds).clamp(max=n_most - 1)
    return part, nn.functional.one_hot(part, n_most) * valid[..., None]


RECIPES = {"default": USUAL, "music_avqa": RELEASED}

REPRODUCTION = Reproduction(
    RELEASED,
    "GeWu-Lab/PSTP-Net main_train.py",
    differs=("The paper says a tenth of the rate after every ten epochs, and uses all its steps.",),
)

OFFICIAL_KEYS = {
    "fc_a.": "audio_in.",
    "fc_v.": "visual_in.",
    "fc_q.": "question_in.",
    "fc_word.": "words_in.",
    "GlobalSelf_Module.layers.0.self_attn.": "gather.itself.",
    "GlobalSelf_Module.layers.0.linear1.": "gather.inner.",
    "GlobalSelf_Module.layers.0.linear2.": "gather.outer.",
    "GlobalSelf_Module.layers.0.norm": "gather.norm",
    "fc_answer_pred.": "answer.",
}

DEAD_KEYS = (
    "TempSegsSelect_Module.", "SpatRegsSelect_Module.", "AudioGuidedVisualAttn.",
    "GlobalLocal_Module.", "GlobalSelf_Module.layers.0.cm_attn.", "GlobalSelf_Module.norm2.",
    "fc_p.", "fc_spat_q.", "audio_fusion.", "visual_fusion.", "SM_fusion.", "fc_av_fusion.",
)  # fmt: skip
"""Official parameters that reach no answer: all steps but the last."""
