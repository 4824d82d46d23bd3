"""EEMC: words told by sound and picture, changes against a memory (Wang et al., ECCV 2024).

Ref-AVS: Refer and Segment Objects in Audio-Visual Scenes; the method is called Expression Enhancing
with Multimodal Cues. The words are read together with the sound and with the picture; what comes
out of either sense is sharpened against the mean of its past, so that what changes stands out; then
sound, picture and words are mixed, and learned queries take from the mixture.

The paper segments pictures with queries of a segmentation network, and has no MUSIC-AVQA number.
Here it is adapted:
* The queries are `n_queries` of our own; their mean over queries and seconds, times the question's
  vector, is answered by a linear layer. Nothing of the segmentation network is used.
* The question's words come from a frozen text encoder as there (another one), its vector from an
  LSTM. Seconds and words that are not there are masked.
* "paper": all of this happens in each second, in transformer layers; the memory is the mean of the
  seconds before, with nothing before the first; separators are learned. "released": words and sense
  are read together once per clip by attentions alone, the memory runs along the tokens and counts
  the current one, all seconds of sound stand in each picture's mixture, separators are constants (0
  and 1), words are not masked, places and channels of a map are confused (its memory is read in
  another order), and a token of the mixture looks not at the other tokens but at the same token of
  the other clips of the batch (an attention that is given its axes the other way round).
* The released code never trains its three attentions, as no name in its list fits them
  (`train_mixers`).

`cues` and `ask` give the numbers of the official code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from musicavqa.methods.card import USUAL, Card, Recipe
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.grouping import Attend
from musicavqa.methods.layers.multi_head import MultiHead
from musicavqa.methods.layers.question_lstm import QuestionLSTM
from musicavqa.methods.layers.seconds import mean_of_seconds
from musicavqa.methods.layers.tokens import place_vectors
from musicavqa.records import Batch, Output

CARD = Card(
    title="Ref-AVS: Refer and Segment Objects in Audio-Visual Scenes (EEMC)",
    year=2024,
    venue="ECCV",
    family="multimodal cues",
    streams=("audio_yamnet", "visual_effnet"),
    texts=("text_minilm_words",),
    spatial_temporal=True,
    reference="adapted",
    official_scores="EEMC",
    missing="the segmentation network",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One map (channels, rows, columns) per second."""
    visual_width: int = 1280
    """Channels of the map."""
    words_text: str = "text_minilm_words"
    """The question's words, zero rows for padding."""
    text_width: int = 384
    places: int = 4
    """A map is averaged to at most so many rows and columns; 8 in the paper."""
    width: int = 256
    n_heads: int = 8
    n_layers: int = 1
    """Transformer layers of each mixture, and of the queries; 4 in the paper."""
    n_queries: int = 8
    """100 there, each for a mask."""
    n_query_heads: int = 4
    query_width: int = 256
    """Of queries; what they read is brought to it where it is wider (as released)."""
    memory: float = 1.0
    """beta: how much of the past is taken off, and of the present added."""
    every_nth_second: int = 1
    train_mixers: bool = True
    drop_path: float = 0.1
    """Share of mixtures for which a residual branch is skipped while training."""
    n_words: int = N_WORDS
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.words_text,)


PUBLISHED = Options(
    audio_stream="audio_vggish", audio_width=128,
    visual_stream="visual_resnet18_map", visual_width=512, places=8, n_layers=4,
)  # fmt: skip
"""The paper's sizes on the features of MUSIC-AVQA."""


class TwoSteps(nn.Sequential):
    """Linear, rectifier, linear."""

    def __init__(self, width_in: int, hidden: int, width: int) -> None:
        super().__init__(nn.Linear(width_in, hidden), nn.ReLU(), nn.Linear(hidden, width))


class Mixer(nn.Module):
    """Tokens (R, N, D), of which those `there` (R, N) are seen, look at each other."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width, n_heads = options.width, options.n_heads
        self.released = options.compat == "released"
        if self.released:
            self.steps = nn.ModuleList([MultiHead(width, n_heads, 0.0)])
        else:
            sizes = width, n_heads, options.drop_path
            self.steps = nn.ModuleList(Attend(*sizes, "self") for _ in range(options.n_layers))
        self.requires_grad_(options.train_mixers)

    def forward(self, tokens: Tensor, there: Tensor) -> Tensor:
        for step in self.steps:
            tokens = step(tokens, tokens, there)
        return tokens


def sharpened(tokens: Tensor, strength: float, counts_itself: bool = False) -> Tensor:
    """(R, T, ...): each moment against the mean of those before it, (1 + b) F - b C (eq. 2-3).

    Nothing comes before the first, so it is taken (1 + b) times. What stays as it is comes out as
    it is. With `counts_itself` the mean has the moment itself, as released.
    """
    n = tokens.shape[1]
    sums = tokens.cumsum(1)
    counts = torch.arange(1, n + 1, device=tokens.device, dtype=tokens.dtype)
    counts = counts.view(1, n, *[1] * (tokens.ndim - 2))
    before = (sums - tokens) / (counts - 1).clamp(min=1)
    past = sums / counts if counts_itself else before
    return (strength + 1) * tokens - strength * past


class Cues(nn.Module):
    """Sound (B, S, ·), places (B, T, P, ·), words (B, W, ·) -> the mixture of each second.

    It is (B, T, N, query width) with what is there (B, T, N). The released code can have more
    seconds of sound than pictures.
    """

    def __init__(self, options: Options) -> None:
        super().__init__()
        width, hidden = options.width, 2 * options.width
        self.options, self.released = options, options.compat == "released"
        self.audio_in = TwoSteps(options.audio_width, hidden, width)
        self.text_in = TwoSteps(options.text_width, hidden, width)
        same = options.visual_width == width
        self.pixels = nn.Identity() if same else nn.Linear(options.visual_width, width)
        self.heard = Mixer(options)
        self.seen = Mixer(options)
        self.mixture = Mixer(options)
        self.marks = None if self.released else nn.Parameter(0.02 * torch.randn(2, width))
        narrow = self.released or width != options.query_width
        self.out = TwoSteps(width, hidden, options.query_width) if narrow else nn.Identity()

    def forward(
        self, sound: Tensor, places: Tensor, words: Tensor, seconds: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`seconds` (B, S) and `there` (B, W) say which seconds and words there are."""
        tokens = self.audio_in(sound), self.pixels(places), self.text_in(words)
        if self.released:
            return self._once(*tokens, seconds)
        return self._in_each_second(*tokens, there)

    def _in_each_second(
        self, sound: Tensor, places: Tensor, words: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor]:
        n_clips, n_seconds, n_places, width = places.shape
        words = words[:, None].expand(-1, n_seconds, -1, -1)
        told = there[:, None].expand(-1, n_seconds, -1)
        ear, by_ear = self._with_words(self.heard, sound[:, :, None], words, told)
        eye, by_eye = self._with_words(self.seen, places, words, told)
        ear, eye = (sharpened(part, self.options.memory) for part in (ear, eye))
        assert self.marks is not None
        marks = self.marks.expand(n_clips, n_seconds, 2, width)
        text = (words + by_ear + by_eye) / 3
        parts = [ear, marks[:, :, :1], eye, marks[:, :, 1:], text]
        own = told.new_ones(n_clips, n_seconds, n_places + 3)
        mask = torch.cat([own, told], dim=2)
        mixed = self.mixture(torch.cat(parts, dim=2).flatten(0, 1), mask.flatten(0, 1))
        return self.out(mixed).unflatten(0, (n_clips, n_seconds)), mask

    @staticmethod
    def _with_words(
        mixer: Mixer, tokens: Tensor, words: Tensor, told: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One sense (B, T, N, D) and the words (B, T, W, D), read together in each second."""
        n = tokens.shape[2]
        mask = torch.cat([told.new_ones(*tokens.shape[:3]), told], dim=2)
        both = torch.cat([tokens, words], dim=2)
        mixed = mixer(both.flatten(0, 1), mask.flatten(0, 1)).unflatten(0, tokens.shape[:2])
        return mixed[:, :, :n], mixed[:, :, n:]

    def _once(
        self, sound: Tensor, places: Tensor, words: Tensor, seconds: Tensor
    ) -> tuple[Tensor, Tensor]:
        n_clips, n_pictures, n_places, width = places.shape
        maps = places.transpose(2, 3).contiguous()  # the order in which the code keeps them
        tokens = maps.view(n_clips, n_pictures * n_places, width)
        seen = seconds[:, :n_pictures].repeat_interleave(n_places, 1)
        told = seconds.new_ones(words.shape[:2])
        ear, by_ear = self._read_once(self.heard, sound, seconds, words, told)
        eye, by_eye = self._read_once(self.seen, tokens, seen, words, told)
        text = (words + by_ear + by_eye) / 3
        eye = eye.unflatten(1, (n_pictures, n_places))
        marks = [eye.new_full((n_clips, n_pictures, 1, width), mark) for mark in (0.0, 1.0)]
        ear, text = (x[:, None].expand(-1, n_pictures, -1, -1) for x in (ear, text))
        mixture = torch.cat([ear, marks[0], eye, marks[1], text], dim=2)
        own = seconds.new_ones(n_clips, n_places + 2 + words.shape[1])
        mask = torch.cat([seconds, own], dim=1)[:, None].expand(-1, n_pictures, -1)
        return self.out(self._across_clips(mixture, mask)), mask

    def _across_clips(self, mixture: Tensor, mask: Tensor) -> Tensor:
        """The mixture (B, T, N, D) as released: each token looks at the same one of other clips."""
        seen = mask.permute(1, 2, 0).flatten(0, 1)  # (TN, B)
        seen = seen | ~seen.any(1, keepdim=True)
        mixed = self.mixture(mixture.permute(1, 2, 0, 3).flatten(0, 1), seen)
        return mixed.unflatten(0, mixture.shape[1:3]).permute(2, 0, 1, 3)

    def _read_once(
        self, mixer: Mixer, tokens: Tensor, valid: Tensor, words: Tensor, told: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One sense (B, N, D), sharpened along its tokens, and the words as it tells them."""
        n = tokens.shape[1]
        mixed = mixer(torch.cat([tokens, words], dim=1), torch.cat([valid, told], dim=1))
        return sharpened(mixed[:, :n], self.options.memory, counts_itself=True), mixed[:, n:]


class TakeCues(nn.Module):
    """Queries (R, Q, D) take from a mixture (R, N, D), by attention and by its mean, with gates."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.attention = MultiHead(width, n_heads, 0.0)
        self.attention_gate = nn.Parameter(torch.ones(1))
        self.mean_gate = nn.Parameter(torch.ones(1))

    def forward(self, queries: Tensor, mixture: Tensor, there: Tensor) -> Tensor:
        found = self.attention(queries, mixture, there)
        mean = mean_of_seconds(mixture, there)[:, None]
        return queries + self.attention_gate.sigmoid() * found + self.mean_gate.sigmoid() * mean


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.query_width
        self.cues = Cues(options)
        self.queries = nn.Parameter(0.02 * torch.randn(options.n_queries, width))
        n_layers = 1 if options.compat == "released" else options.n_layers
        sizes = width, options.n_query_heads
        self.ask = nn.ModuleList(TakeCues(*sizes) for _ in range(n_layers))
        self.question = QuestionLSTM(options.n_words, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        step, rows = self.options.every_nth_second, batch.clip_of
        seconds = batch.seconds[:, ::step]
        sound = batch.streams[self.options.audio_stream][:, ::step]
        maps = batch.streams[self.options.visual_stream][:, ::step]
        words = batch.texts[self.options.words_text]
        there = (words != 0).any(-1)
        there = there | ~there.any(1, keepdim=True)  # a question without words has its padding
        places = place_vectors(maps, self.options.places)
        mixture, told = self.cues(sound[rows], places[rows], words, seconds[rows], there)
        queries = self.queries.expand(mixture.shape[:2].numel(), -1, -1)
        for layer in self.ask:
            queries = layer(queries, mixture.flatten(0, 1), told.flatten(0, 1))
        found = queries.mean(1).unflatten(0, mixture.shape[:2])  # (B, T, D)
        found = mean_of_seconds(found, seconds[rows])
        return Output(self.answer(found * self.question(batch.words)))


RECIPES = {
    "default": USUAL,
    "music_avqa": Recipe(
        epochs=50, batch_clips=16, learning_rate=1e-4, schedule="constant",
        max_questions_per_clip=1,
    ),
}  # fmt: skip
"""The released optimiser and epochs (batches of 2 videos there)."""

OFFICIAL_KEYS = {
    "audio_proj.": "cues.audio_in.",
    "text_proj.": "cues.text_in.",
    "prompt_proj.": "cues.out.",
    "mha_A_T.": "cues.heard.steps.0.",
    "mha_V_T.": "cues.seen.steps.0.",
    "mha_mm.": "cues.mixture.steps.0.",
    "ref_avs_attn.query_embedding.": "ask.0.attention.query.",
    "ref_avs_attn.key_embedding.": "ask.0.attention.key.",
    "ref_avs_attn.value_embedding.": "ask.0.attention.value.",
    "ref_avs_attn.out_projection.": "ask.0.attention.merge.",
    "ref_avs_attn.beta_source_attn": "ask.0.attention_gate",
    "ref_avs_attn.beta_source_pool": "ask.0.mean_gate",
}

OWN_PARTS = ("queries", "question.", "answer.")
"""What no official weights fill."""

DEAD_KEYS = ("model_v.",)
"""The segmentation network, but for the attention that takes the cues."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fused projections of the attentions as three layers."""
    adapted = {}
    for key, tensor in state.items():
        name, _, kind = key.rpartition("in_proj_")
        if name:
            for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                adapted[f"{name}{part}.{kind}"] = rows
        else:
            adapted[key.replace(".out_proj.", ".merge.")] = tensor
    return adapted
