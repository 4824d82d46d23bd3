"""LAViT, the network of Pano-AVQA (Yun et al., ICCV 2021), as an adaptation to MUSIC-AVQA.

Pano-AVQA: Grounded Audio-Visual Question Answering on 360 degree Videos. Three BERTs read words,
sounds and regions of the picture; cross layers let the three look at each other; the first token of
each is pooled, and the three together are read as an answer. The network equals its released code;
what it is fed with here is ours, as MUSIC-AVQA's authors, who report it as "Pano-AVQA", do not say
what they did. So the card says "adapted".

Where we differ:
* No panorama: regions are `regions` x `regions` parts of each second's map, with the place (second,
  centre, size) instead of a quaternion; sounds are seconds with their start and duration. Seconds
  count in minutes. The first token of either is the mean of what the clip has, as there.
* The sound is mono, with (sound + place) / 2; `stereo=True` is the released encoder for two
  channels, with their difference in level as its skewness. `audio_coordinates=3` gives mono sound
  that third coordinate too, as the released encoder has it; it is 0, the middle, here. The released
  encoders for only the start, or only the direction, fail in their own code; we have none.
* In a cross layer of the paper each stream looks at one of the others, then at the other one. The
  released code has one ring only: words look at sounds, sounds at the picture, the picture at
  words. compat="released" does that, "paper" adds the ring the other way round.
* Words are ours, with a [CLS] before them, and nothing starts from BERT; converted weights
  (`--words vocab.txt`, BERT's list) read BERT's word pieces. Token types are one constant, which is
  part of the position vectors here.
* Missing seconds are masked; the released code masks words only.
* Only the answer is learnt: no heads for masked words, features, places, matching and grounding.
* The default is small; `PUBLISHED` has the paper's depth and width.

With the released sizes, stereo, 2048 numbers per feature, six coordinates, BERT's 30 522 words and
42 answers, the living part of the official network has 317 614 890 parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from musicavqa.methods.card import USUAL, Card, Recipe, official_keys
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.bert import EPSILON, BertAttention, BertFeedForward
from musicavqa.methods.layers.seconds import mean_of_seconds
from musicavqa.methods.layers.word_pieces import WordPieces
from musicavqa.methods.layers.words import real_words
from musicavqa.records import Batch, Output

CARD = Card(
    title="Pano-AVQA: Grounded Audio-Visual Question Answering on 360 Degree Videos (LAViT)",
    year=2021,
    venue="ICCV",
    family="cross-modal transformer",
    streams=("audio_yamnet", "visual_effnet"),
    reference="adapted",
    official_scores="LAViT",
)

RINGS = (
    {"language": "audio", "audio": "visual", "visual": "language"},
    {"language": "visual", "audio": "language", "visual": "audio"},
)
"""Who looks at whom; the released code has the first only."""
MINUTE_S = 60.0


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second, or two (left, right) with `stereo`."""
    audio_width: int = 1545
    stereo: bool = False
    visual_stream: str = "visual_effnet"
    """One map (channels, rows, columns) per second."""
    visual_width: int = 1280
    """Channels of the map."""
    audio_coordinates: int = 0
    """Start, duration and, as the third, direction of a sound; 0 takes 3 in stereo, else 2."""
    regions: int = 2
    """Rows and columns of regions that a map is parted into."""
    visual_coordinates: int = 5
    """Second, centre and size of a region. Official weights want 6, which no stream here has."""
    width: int = 256
    hidden: int = 1024
    """Width inside the feed-forward steps."""
    n_heads: int = 4
    language_layers: int = 2
    audio_layers: int = 1
    visual_layers: int = 1
    cross_layers: int = 2
    dropout: float = 0.1
    n_words: int = N_WORDS
    word_pieces: int = 0
    """Most pieces that a word of ours has in BERT's list, which converted weights read; 0: none."""
    n_positions: int = 512
    compat: Literal["paper", "released"] = "paper"

    def __post_init__(self) -> None:
        if self.audio_coordinates not in ((0, 3) if self.stereo else (0, 2, 3)):
            allowed = "3" if self.stereo else "2 or 3"
            raise ValueError(
                f"audio_coordinates is {allowed} (or 0 for the usual), not "
                f"{self.audio_coordinates}, with stereo={self.stereo}."
            )

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish", audio_width=128,
    visual_stream="visual_resnet18_map", visual_width=512,
    width=768, hidden=3072, n_heads=12,
    language_layers=9, audio_layers=5, visual_layers=5, cross_layers=5,
)  # fmt: skip
"""Depth and width of the paper on the features of MUSIC-AVQA."""

Tokens = tuple[Tensor, Tensor]
"""Vectors (B, N, D) and which of them are there (B, N)."""


class Placed(nn.Module):
    """Features (each (C, N, F)) and coordinates (C, N, K) -> tokens (C, N, D), the mean of all."""

    def __init__(self, n_features: int, feature_width: int, coordinates: int, width: int) -> None:
        super().__init__()
        sizes = [feature_width] * n_features + [coordinates]
        self.parts = nn.ModuleList(nn.Linear(size, width) for size in sizes)
        self.norms = nn.ModuleList(nn.LayerNorm(width, EPSILON) for _ in sizes)

    def forward(self, *parts: Tensor) -> Tensor:
        steps = zip(self.parts, self.norms, parts, strict=True)
        tokens = [norm(linear(part)) for linear, norm, part in steps]
        return sum(tokens[1:], tokens[0]) / len(tokens)


class BertLayer(nn.Module):
    """Tokens look at themselves."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.look = BertAttention(options.width, options.n_heads, options.dropout)
        self.think = BertFeedForward(options.width, options.hidden, options.dropout)

    def forward(self, tokens: Tensor, there: Tensor) -> Tensor:
        return self.think(self.look(tokens, tokens, there)[0])


class CrossLayer(nn.Module):
    """Three streams look at each other at once, then each at itself."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width, n_heads, dropout = options.width, options.n_heads, options.dropout

        def attentions() -> nn.ModuleDict:
            return nn.ModuleDict({s: BertAttention(width, n_heads, dropout) for s in RINGS[0]})

        n_rings = 1 if options.compat == "released" else len(RINGS)
        self.rings = nn.ModuleList(attentions() for _ in range(n_rings))
        self.look = attentions()
        self.think = nn.ModuleDict(
            {s: BertFeedForward(width, options.hidden, dropout) for s in RINGS[0]}
        )

    def forward(
        self, streams: dict[str, Tokens], is_last: bool
    ) -> tuple[dict[str, Tokens], dict[str, Tensor]]:
        """New streams, and the weights (B, M) with which [CLS] looked at each other stream.

        Of the last layer only the first token of each stream is read, so no other is made.
        """
        seen = {}
        for ring, partners in zip(self.rings, RINGS, strict=False):
            changed = {}
            for name, partner in partners.items():
                tokens, weights = ring[name](streams[name][0], *streams[partner])
                changed[name] = tokens, streams[name][1]
                if name == "language":
                    seen[partner] = weights
            streams = changed
        after = {}
        for name, (tokens, there) in streams.items():
            asking = tokens[:, :1] if is_last else tokens
            tokens, _ = self.look[name](asking, tokens, there)
            after[name] = self.think[name](tokens), there
        return after, seen


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.pieces = WordPieces(options.word_pieces) if options.word_pieces else None
        n_words = options.n_words if options.word_pieces else options.n_words + 1
        self.words = nn.Embedding(n_words, width, padding_idx=0)
        """The last one is [CLS], unless pieces are read, which have their own."""
        self.positions = nn.Embedding(options.n_positions, width)
        self.norm = nn.LayerNorm(width, EPSILON)
        self.dropout = nn.Dropout(options.dropout)
        channels = 2 if options.stereo else 1
        self.n_coordinates = options.audio_coordinates or 1 + channels
        self.audio_in = Placed(channels, options.audio_width, self.n_coordinates, width)
        self.visual_in = Placed(1, options.visual_width, options.visual_coordinates, width)
        depths = {
            "language": options.language_layers,
            "audio": options.audio_layers,
            "visual": options.visual_layers,
        }
        self.layers = nn.ModuleDict(
            {s: nn.ModuleList(BertLayer(options) for _ in range(n)) for s, n in depths.items()}
        )
        self.cross = nn.ModuleList(CrossLayer(options) for _ in range(options.cross_layers))
        self.pool = nn.ModuleDict({name: nn.Linear(width, width) for name in depths})
        self.inner = nn.Linear(3 * width, 6 * width)
        self.inner_norm = nn.LayerNorm(6 * width, EPSILON)
        self.answer = nn.Linear(6 * width, N_ANSWERS)
        self.apply(_start_like_bert)

    def forward(self, batch: Batch) -> Output:
        words = self._words(batch.words)
        logits, seen = self.read(words, self._hear(batch), self._see(batch), batch.clip_of)
        n_seconds = batch.seconds.shape[1]
        when = [_without_first(seen["audio"])]
        evidence = {}
        if "visual" in seen:
            looked = _without_first(seen["visual"]).unflatten(1, (n_seconds, -1))  # (B, T, P)
            when.append(looked.sum(2))
            evidence["space"] = looked.sum(1)
        evidence["time"] = sum(when) / len(when)
        return Output(logits, evidence=evidence)

    def read(
        self, words: Tokens, audio: Tokens, visual: Tokens, clip_of: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (B, 42) of word indices, and of sounds and regions (C, N, D) with their places.

        Also what [CLS] looked at in the last layer, by stream.
        """
        positions = self.positions.weight[: words[0].shape[1]]
        language = self.norm(self.words(words[0]) + positions), words[1]
        streams = {}
        for name, (tokens, there) in zip(RINGS[0], (language, audio, visual), strict=True):
            tokens = self.dropout(tokens)
            for layer in self.layers[name]:
                tokens = layer(tokens, there)
            once = name == "language"
            streams[name] = (tokens, there) if once else (tokens[clip_of], there[clip_of])
        seen: dict[str, Tensor] = {}
        for layer in self.cross:
            streams, seen = layer(streams, is_last=layer is self.cross[-1])
        pooled = [torch.tanh(self.pool[name](streams[name][0][:, 0])) for name in RINGS[0]]
        inner = nn.functional.gelu(self.inner(torch.cat(pooled, dim=-1)))
        return self.answer(self.inner_norm(inner)), seen

    def _words(self, words: Tensor) -> Tokens:
        """Word numbers (B, 1 + W) with [CLS] before them, and which are there."""
        if self.pieces is not None:
            return self.pieces(words)
        first = words.new_full((len(words), 1), self.options.n_words)
        said = torch.cat([first > 0, real_words(words)], dim=1)
        return torch.cat([first, words], dim=1), said

    def _hear(self, batch: Batch) -> Tokens:
        """One token per second (C, 1 + T, D), the first for the whole clip."""
        sound, valid = batch.streams[self.options.audio_stream], batch.seconds
        channels = sound.unbind(2) if self.options.stereo else (sound,)
        start = torch.arange(valid.shape[1], device=valid.device).to(sound.dtype) / MINUTE_S
        place = [start.expand_as(valid), torch.full_like(start, 1 / MINUTE_S).expand_as(valid)]
        if self.options.stereo:
            left, right = (channel.norm(dim=-1) for channel in channels)
            place.append((left - right) / (left + right).clamp(min=1e-6))
        elif self.n_coordinates == 3:
            place.append(torch.zeros_like(place[0]))
        parts = [*channels, torch.stack(place, dim=-1)]
        return self.audio_in(*(_with_mean(part, valid) for part in parts)), _with_first(valid)

    def _see(self, batch: Batch) -> Tokens:
        """One token per region and second (C, 1 + T * P, D), the first for the whole clip."""
        maps, n = batch.streams[self.options.visual_stream], self.options.regions
        regions = adaptive_avg_pool2d(maps.flatten(0, 1), n).unflatten(0, maps.shape[:2])
        regions = regions.flatten(3).transpose(2, 3).flatten(1, 2)  # (C, T * P, channels)
        valid = batch.seconds.repeat_interleave(n * n, dim=1)
        centre = (torch.arange(n, device=maps.device).to(maps.dtype) + 0.5) / n
        row, column = torch.meshgrid(centre, centre, indexing="ij")
        size = torch.full_like(row, 1 / n)
        shape = torch.stack([column, row, size, size], dim=-1).flatten(0, 1)  # (P, 4)
        second = torch.arange(maps.shape[1], device=maps.device).to(maps.dtype) / MINUTE_S
        place = torch.cat(
            [second.repeat_interleave(n * n)[:, None], shape.repeat(maps.shape[1], 1)], dim=-1
        ).expand(len(maps), -1, -1)
        tokens = self.visual_in(_with_mean(regions, valid), _with_mean(place, valid))
        return tokens, _with_first(valid)


def _with_mean(rows: Tensor, valid: Tensor) -> Tensor:
    """The mean of the valid rows, then the rows: (C, 1 + N, F)."""
    return torch.cat([mean_of_seconds(rows, valid)[:, None], rows], dim=1)


def _with_first(valid: Tensor) -> Tensor:
    return torch.cat([torch.ones_like(valid[:, :1]), valid], dim=1)


def _without_first(weights: Tensor) -> Tensor:
    """Shares (B, N) of all but the token for the whole clip."""
    rest = weights[:, 1:]
    return rest / rest.sum(1, keepdim=True).clamp(min=torch.finfo(rest.dtype).tiny)


def _start_like_bert(module: nn.Module) -> None:
    """Normal numbers of deviation 0.02, no biases."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


RECIPES = {
    "default": USUAL,
    "music_avqa": Recipe(
        epochs=7, batch_clips=32, batch_questions=32, accumulate=4, learning_rate=5e-5,
        weight_decay=0.01, warmup_epochs=0.7,
    ),
}  # fmt: skip
"""The second is the released recipe of Pano-AVQA; the schedule falls by a cosine, not by a line,
and no epochs of pre-training come before."""

_STREAMS = {"": "language", "a_": "audio", "v_": "visual"}

OFFICIAL_OPTIONS = {
    "stereo": True,
    "audio_width": 2048,
    "visual_width": 2048,
    "visual_coordinates": 6,
}
"""What the network of Pano-AVQA was fed with. The released network at its own sizes."""

OFFICIAL_KEYS = official_keys(
    ("bert.embeddings.", "", {
        "word_embeddings.": "words.", "position_embeddings.": "positions.", "LayerNorm.": "norm.",
    }),
    ("bert.encoder.", "layers.", {
        "layer.": "language.", "a_layers.": "audio.", "v_layers.": "visual.",
    }),
    ("bert.encoder.", "", {"x_layers.": "cross."}),
    ("bert.encoder.v_fc.", "visual_in.", {
        "feature_fc.": "parts.0.", "coord_fc.": "parts.1.", "feature_ln.": "norms.0.",
        "coord_in.": "norms.1.",
    }),
    ("bert.encoder.a_fc.", "audio_in.", {
        "left_fc.": "parts.0.", "righ_fc.": "parts.1.", "cord_fc.": "parts.2.",
        "left_ln.": "norms.0.", "righ_ln.": "norms.1.", "cord_ln.": "norms.2.",
        "feat_fc.": "parts.0.", "feat_ln.": "norms.0.",  # of one channel
    }),
    ("bert.", "pool.", {f"{s}pooler.dense.": f"{name}." for s, name in _STREAMS.items()}),
    ("answer_head.logit_fc.", "", {"0.": "inner.", "2.": "inner_norm.", "3.": "answer."}),
)  # fmt: skip

DEAD_KEYS = tuple(
    wrapper + head
    for wrapper in ("", "model.")
    for head in ("cls.", "v_head.", "a_head.", "vl_head.", "al_head.", "ground.")
)
"""Heads of the other tasks; they read the network and give nothing to the answer."""

_HALVES = {
    ".attention.": ".look.",
    ".intermediate.dense.": ".think.inner.",
    ".output.dense.": ".think.outer.",
    ".output.LayerNorm.": ".think.norm.",
    ".la_attention.": ".rings.0.language.",
    ".av_attention.": ".rings.0.audio.",
    ".vl_attention.": ".rings.0.visual.",
}
for _s, _name in (("l", "language"), ("a", "audio"), ("v", "visual")):
    _HALVES |= {
        f".{_s}_self_att.": f".look.{_name}.", f".{_s}_inter.dense.": f".think.{_name}.inner.",
        f".{_s}_output.dense.": f".think.{_name}.outer.",
        f".{_s}_output.LayerNorm.": f".think.{_name}.norm.",
    }  # fmt: skip


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names inside layers; the one token type in use is added to the positions."""
    state = {key.removeprefix("model."): tensor for key, tensor in state.items()}
    kind = state.pop("bert.embeddings.token_type_embeddings.weight", None)
    adapted = {}
    for key, tensor in state.items():
        for within in ("attention.", "self_att."):  # the parts of one attention
            key = key.replace(f"{within}self.", within)
            key = key.replace(f"{within}output.dense.", f"{within}merge.")
            key = key.replace(f"{within}output.LayerNorm.", f"{within}norm.")
        for official, ours in _HALVES.items():
            key = key.replace(official, ours)
        adapted[key] = tensor
    if "bert.encoder.a_fc.feat_fc.weight" in adapted:  # one channel: coordinates come second
        for kind_of in ("fc", "ln"):
            place = f"bert.encoder.a_fc.cord_{kind_of}."
            for part in ("weight", "bias"):
                adapted[place.replace("cord", "righ") + part] = adapted.pop(place + part)
    if kind is not None:
        positions = "bert.embeddings.position_embeddings.weight"
        adapted[positions] = adapted[positions] + kind[0]
    return adapted
