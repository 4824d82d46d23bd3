"""TSPM: key seconds found with a declarative prompt, key patches found by ear (Li et al., 2024).

Boosting Audio Visual Question Answering via Key Semantic-Aware Cues (ACM MM 2024). Sound and
picture exchange (one HAN layer). A sentence that states what the question asks points at the
`top_k` seconds whose pictures fit it. In those the patches attend to each other, the sound of the
second picks the patches that sound, and the question picks among the seconds, by ear and by eye.
Six vectors (both picks, and means before and after the selection) are joined, multiplied with the
question and read as an answer.

Where we differ:
* From the released code (`compat="released"` is like it): it takes the patches of the first `top_k`
  seconds, whichever were selected; "paper" takes those of the selected seconds. There, no gradient
  reaches the selection, which stays as it was born; "paper" lets it learn straight through.
* The release binds two names wrongly and cannot run; both modes have the evident meaning.
* The default streams are ours (YAMNet, EfficientNet, MiniLM); `PUBLISHED` has those of the paper,
  with merged patches (ToMe).
* The prompt: there one of 33 sentences, one for each template, with the question's slots, read by
  CLIP. With `prompt_text="text_minilm_prompt"` (or that of CLIP) it is `questions.declare`, 33
  sentences of ours; by default the question itself stands in its place. As released it hardly
  matters: what projects and compares it gets no gradient and stays random.
* Padded seconds are masked. A clip with fewer than `top_k` seconds gives all it has.
* Patches of a second are read by its sound once for all questions that selected it.

Parameters in the official configuration: 11 252 778. The release has 12 306 474, of which 791 040
reach no answer, and so do the 262 656 of the values in the attention that selects.
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
from musicavqa.methods.layers.selection import Relevance, best, pass_back, places_of, without_values
from musicavqa.records import Batch, Output

CARD = Card(
    title="Boosting Audio Visual Question Answering via Key Semantic-Aware Cues (TSPM)",
    year=2024,
    venue="ACM MM",
    family="selection",
    streams=("audio_yamnet", "visual_effnet"),
    texts=("text_minilm",),
    spatial_temporal=True,
    reference="official code",
    official_scores="TSPM",
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
    prompt_text: str = "text_minilm"
    """The sentence that selects, as one vector; '<encoder>_prompt' is a statement."""
    text_width: int = 384
    width: int = 512
    """Width of everything inside."""
    n_heads: int = 4
    dropout: float = 0.1
    top_k: int = 10
    """Seconds that are looked at closely."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.audio_stream, self.visual_stream, self.patch_stream)))

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.question_text, self.prompt_text)))


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_clip_l14_336",
    visual_width=768,
    patch_stream="visual_tome14",
    patch_width=1024,
    question_text="text_clip_l14",
    prompt_text="text_clip_l14_prompt",
    text_width=768,
)
"""Inputs of the paper; with compat="released" official weights fit."""


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width, heads, dropout = options.width, options.n_heads, options.dropout
        self.audio_in = nn.Linear(options.audio_width, width)
        self.visual_in = nn.Linear(options.visual_width, width)
        self.patch_in = nn.Linear(options.patch_width, width)
        self.question_in = nn.Linear(options.text_width, width)
        self.prompt_in = nn.Linear(options.text_width, width)
        self.exchange = HANLayer(width, 1, 1, dropout)
        self.relevance = Relevance(width, heads, dropout)
        self.tokens = HANLayer(width, 0, 1, dropout)
        self.sounding = QuestionPooling(width, heads, dropout)
        self.when = QuestionPooling(width, heads, dropout)
        self.fusion = nn.Linear(6 * width, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        options, rows, valid = self.options, batch.clip_of, batch.seconds
        audio = self.audio_in(batch.streams[options.audio_stream])  # (C, T, D)
        visual = self.visual_in(picture_vectors(batch.streams[options.visual_stream]))
        heard = mean_of_seconds(self.exchange(audio, valid, (visual, valid)), valid)  # (C, D)
        seen = mean_of_seconds(self.exchange(visual, valid, (audio, valid)), valid)

        prompt = self.prompt_in(batch.texts[options.prompt_text])  # (B, D)
        shares = self.relevance(prompt, visual[rows], valid[rows])  # (B, T)
        places, there = places_of(best(shares, options.top_k, valid[rows]))  # (B, K)
        chosen = take_seconds(audio[rows], places)  # (B, K, D)
        looked, spots = self._look(batch, audio, places)  # (B, K, D), (B, K, P)

        if options.compat == "paper":
            strength = shares.gather(1, places)
            chosen, looked = pass_back(chosen, strength), pass_back(looked, strength)
        question = self.question_in(batch.texts[options.question_text])
        ear, ears = self.when(question, chosen, there)
        eye, eyes = self.when(question, looked, there)
        sounds = [ear, heard[rows], mean_of_seconds(chosen, there)]
        sights = [eye, seen[rows], mean_of_seconds(looked, there)]
        features = {
            "question": question,
            "audio": torch.cat(sounds, dim=-1),  # (B, 3D)
            "visual": torch.cat(sights, dim=-1),
        }
        logits = self.answer_from(features)

        when = (ears + eyes) / 2  # (B, K)
        time = torch.zeros_like(shares).scatter_add(1, places, when)
        space = torch.einsum("bk,bkp->bp", when, spots)
        return Output(logits, {}, {"time": time, "space": space}, features)

    def answer_from(self, features: dict[str, Tensor]) -> Tensor:
        """Logits (B, A) read from question (B, D), audio and visual (B, 3D)."""
        both = self.fusion(torch.tanh(torch.cat([features["audio"], features["visual"]], dim=-1)))
        return self.answer(torch.tanh(both * features["question"]))

    def _look(self, batch: Batch, audio: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """What the sounds of seconds `places` (B, K) find in their patches, and in which.

        No question has a say here, so each second of a clip, and each pair of a sound and a
        picture, is read once, whoever selected it.
        """
        every = picture_patches(batch.streams[self.options.patch_stream])  # (C, T, P, channels)
        n_seconds = every.shape[1]
        pictures = batch.clip_of[:, None] * n_seconds + self._frames(places)
        pairs, pair_of = (pictures * n_seconds + places).unique(return_inverse=True)  # (B, K)
        read, picture_of = (pairs // n_seconds).unique(return_inverse=True)
        patches = self.tokens(self.patch_in(every.flatten(0, 1)[read]), None)[picture_of]
        found, spots = self.sounding(audio[pairs // n_seconds**2, pairs % n_seconds], patches)
        return found[pair_of], spots[pair_of]

    def _frames(self, places: Tensor) -> Tensor:
        """Seconds (B, K) whose patches are read."""
        if self.options.compat == "paper":
            return places
        return torch.arange(places.shape[1], device=places.device).expand_as(places)


RECIPES = {"default": USUAL, "music_avqa": RELEASED}

REPRODUCTION = Reproduction(
    RELEASED,
    "GeWu-Lab/TSPM; its log has 77.28 % on validation after 10 epochs",
    differs=(
        "Prompts are `questions.declare`, 33 sentences of ours, in the place of theirs; what reads "
        "them does not learn in the release.",
    ),
)

OFFICIAL_KEYS = {
    "input_a.": "audio_in.",
    "input_v.": "visual_in.",
    "input_v_patch.": "patch_in.",
    "input_qst.": "question_in.",
    "input_qst_prompt.": "prompt_in.",
    "AV_Attn.layers.0.self_attn.": "exchange.itself.",
    "AV_Attn.layers.0.cm_attn.": "exchange.partners.0.",
    "AV_Attn.layers.0.linear1.": "exchange.inner.",
    "AV_Attn.layers.0.linear2.": "exchange.outer.",
    "AV_Attn.layers.0.norm": "exchange.norm",
    "TemporalPerception.attn_qst_query.": "relevance.",
    "SpatioPerception.TokensAttn.self_attn.": "tokens.itself.",
    "SpatioPerception.TokensAttn.linear1.": "tokens.inner.",
    "SpatioPerception.TokensAttn.linear2.": "tokens.outer.",
    "SpatioPerception.TokensAttn.norm": "tokens.norm",
    "SpatioPerception.attn_qst_query.": "sounding.attention.",
    "SpatioPerception.qst_query_linear1.": "sounding.inner.",
    "SpatioPerception.qst_query_linear2.": "sounding.outer.",
    "SpatioPerception.qst_query_visual_norm.": "sounding.norm.",
    "QstTempGrd_Module.attn_qst_query.": "when.attention.",
    "QstTempGrd_Module.qst_query_linear1.": "when.inner.",
    "QstTempGrd_Module.qst_query_linear2.": "when.outer.",
    "QstTempGrd_Module.qst_query_visual_norm.": "when.norm.",
    "av_fusion_fc.": "fusion.",
    "answer_pred_fc.": "answer.",
}

DEAD_KEYS = (
    "AV_Attn.norm1.", "AV_Attn.norm2.", "TemporalPerception.attn_qst_query.out_proj.",
    "TemporalPerception.qst_query_",
)  # fmt: skip
"""Official parameters that reach no output."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of the attention that selects, only queries and keys matter."""
    return without_values(state, "TemporalPerception.attn_qst_query.")
