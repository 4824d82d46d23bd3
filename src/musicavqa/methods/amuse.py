"""Amuse: rhythm, sources and regions of a music performance (Diao et al., EMNLP Findings 2024).

Learning Musical Representations for Music Performance Question Answering. Sound, picture and
question are read in step, each told by both others after every layer. Encoders of rhythm and of
sources learn beforehand where the tempo changes and which instruments play, from either sense; what
they make, and the regions of players and instruments, go straight to the answer: seven vectors,
each gated by the question, are added.

Where we differ from the paper:
* Its frozen encoders (Swin-V2-L, HTS-AT) are features here, one token per second of sound and
  `places` squared tokens per second of picture; the layers between which the senses tell each
  other are transformer layers of our own.
* Labels come from our music streams: the tempo of `music_tempo` (the paper: a beat tracker), the
  instruments of `music_tags` (the paper counts sources of a separation; here each of the 22 is
  there or not, whose sum is the count). A segment is a tenth of the clip, six seconds of a minute.
* Time: tokens of sound, pictures, rhythm and sources carry the number of their second; what a
  segment learned is read in each of its seconds.
* After their stages the encoders of rhythm and sources are frozen in the paper, `music="frozen"`;
  by default they go on learning, with `music_weight` times their losses.
* Regions come from `regions_stream` (features/regions.py: rendered truth, bandleader's reading, a
  detector's file). Without one each second's whole map is the region.
* `interactive`, `rhythm`, `sources` and `highway` are the paper's ablation.

The released code (xid32/Amuse_code, commit 67e53ea) is a later stage of the model and another one
than the paper prints. compat="released" has of it, **built and checked**: each module gives the
released one's numbers to 1e-9 of their size in double precision (test_parity_adapters.py).
* Adapters that project nothing and compare channel with channel (a row is a second here, a frame
  there); the question tells the senses and is told nothing.
* Towers of two layers read the question, fourteen words with their padding: one for each vector of
  rhythm, sources and region, which tells what it gates, and one for both senses. Its mean gates.
* Encoders of rhythm and sources, one of each for both senses (`n_segments` tokens of sound, six
  there, and `n_moments` pictures), which tell the labels of all segments from a clip's mean.
* A change of tempo is one from 30 % of the clip's on, against the segment before, on twentieths of
  the clip: on 20,000 made series 19 of 400,000 labels differ, where the change is the limit itself
  but for rounding. Sources are counted on thirtieths: instruments of `music_tags` here, separated
  sounds there.
* Rhythm and sources told by the question; so is the one region, the middle second's whole map
  (there a detector's), or the mean of `regions_stream`.

What it has besides, which is not built:
* One frozen Swin-V2-tiny for five frames and for five spectra of a second each. In each of its
  twelve blocks one adapter is added behind the attention, told by the question in the first four,
  and one behind the MLP. Ours stand behind each of `n_layers` layers.
* Its masking (off in its settings), InfoBatch, key subset and merging of tokens, which looks for
  outliers among sums of shares: they are all one but for rounding, so what is left is chance.
* Its evaluation takes the first question of each video, compares the answer's number with a row of
  zeros and a one, and chooses the epoch on test: it cannot have given the published figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, mse_loss

from musicavqa.methods.card import USUAL, Card, Recipe, Reproduction
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.asked_tokens import AskedTokens
from musicavqa.methods.layers.both_senses import BothSenses
from musicavqa.methods.layers.channel_adapters import SecondsTold, WordsAs, WordsAsOne
from musicavqa.methods.layers.grouping import Attend
from musicavqa.methods.layers.multi_head import MultiHead
from musicavqa.methods.layers.music_labels import (
    rhythm_labels,
    segment_shares,
    source_counts,
    source_labels,
    tempo_of,
)
from musicavqa.methods.layers.picture_regions import RegionTokens
from musicavqa.methods.layers.question_towers import QuestionTower, TowerSizes, words_read
from musicavqa.methods.layers.seconds import (
    mean_of_seconds,
    picture_vectors,
    spread_seconds,
    take_seconds,
)
from musicavqa.methods.layers.tokens import place_vectors, sinusoids
from musicavqa.methods.layers.words import real_words
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Batch, Output

CARD = Card(
    title="Learning Musical Representations for Music Performance Question Answering (Amuse)",
    year=2024,
    venue="EMNLP Findings",
    family="music representations",
    streams=("audio_yamnet", "visual_effnet", "music_tempo", "music_tags"),
    specialised_input=True,
    spatial_temporal=True,
    music_specific=True,
    reference="paper only",
    official_scores="Amuse",
    missing="its own encoders (Swin-V2-L, HTS-AT) and counts of separated sources; of the released "
    "code, which is another model, the walk through Swin-V2",
)

SENSES = ("audio", "visual")
N_LABELS = {"rhythm": 1, "source": len(INSTRUMENTS)}
"""Of each segment."""
RELEASED_SHARE = 0.30
RELEASED_SEGMENTS = {"rhythm": 20, "source": 30}
"""Equal parts of a clip with a label each, as released: of 3 s and of 2 s in a minute."""


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One map (channels, rows, columns) per second."""
    visual_width: int = 1280
    """Channels of the map."""
    regions_stream: str | None = None
    """Regions (N, 27) of each second, of features/regions.py; None for the whole map."""
    places: int = 2
    """A map is averaged to at most so many rows and columns."""
    width: int = 256
    n_heads: int = 4
    n_layers: int = 2
    """Layers, after each of which the senses and the question tell each other."""
    n_segments: int = 10
    """Segments of a clip, in which tempo and instruments are told; as released those are heard."""
    n_moments: int = 5
    """Pictures of a clip, from its first to its last second, that music is seen in, as released."""
    tempo_share: float = 0.25
    """A change is one of more than this share of the clip's tempo."""
    least_tag: float = 0.2
    """From where on an instrument counts as there."""
    interactive: bool = True
    """Senses and question tell each other."""
    rhythm: bool = True
    """Rhythm is learned and read."""
    sources: bool = True
    """Sources are learned and read."""
    highway: bool = True
    """Regions are read."""
    music: Literal["learning", "frozen"] = "learning"
    """What encoders of rhythm and sources do while answers are learned."""
    music_weight: float = 0.1
    """Of their losses then."""
    dropout: float = 0.1
    """Before the answer."""
    drop_path: float = 0.1
    """Share of clips for which a residual branch is skipped while training."""
    n_words: int = N_WORDS
    word_width: int = 512
    """Of the words that towers embed, as released, and of the layer before the answer there."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        more = (self.regions_stream,) if self.regions_stream and self.highway else ()
        told = ("music_tempo",) * self.rhythm + ("music_tags",) * self.sources
        return self.audio_stream, self.visual_stream, *more, *told

    @property
    def stages(self) -> tuple[str, ...]:
        return ("rhythm",) * self.rhythm + ("sources",) * self.sources


PUBLISHED = Options(
    audio_stream="audio_vggish", audio_width=128,
    visual_stream="visual_resnet18_map", visual_width=512, width=512, music="frozen",
)  # fmt: skip
"""On the features of MUSIC-AVQA; the paper's own encoders are not at hand as features."""


class Teller(nn.Module):
    """What one stream (R, N, D) is told by another (R, M, D): attention, linear, GELU, linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = MultiHead(width, 1, 0.0, merge=False)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)

    def forward(self, tokens: Tensor, told: Tensor, there: Tensor) -> Tensor:
        return self.outer(gelu(self.inner(self.attention(tokens, told, there))))


class Told(nn.Module):
    """A stream with what two others tell it, weighed token by token by an attention to both."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tellers = nn.ModuleList(Teller(width) for _ in range(2))
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)

    def forward(self, tokens: Tensor, others: list[tuple[Tensor, Tensor]]) -> Tensor:
        told = [tell(tokens, *other) for tell, other in zip(self.tellers, others, strict=True)]
        both = torch.stack(told, dim=-2)  # (R, N, 2, D)
        scores = torch.einsum("rnd,rnkd->rnk", self.query(tokens), self.key(both))
        weights = (scores / tokens.shape[-1] ** 0.5).softmax(-1)
        return tokens + torch.einsum("rnk,rnkd->rnd", weights, both)


class Step(nn.Module):
    """One layer of each stream, and then each told by both others."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        sizes = options.width, options.n_heads, options.drop_path
        self.layers = nn.ModuleList(Attend(*sizes, "self") for _ in range(3))
        released = options.interactive and options.compat == "released"
        self.released = SecondsTold(options.width, options.places**2) if released else None
        n_told = 3 if options.interactive and not released else 0
        self.told = nn.ModuleList(Told(options.width) for _ in range(n_told))

    def forward(self, streams: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Each stream is its tokens (R, N, D) and which of them are there (R, N)."""
        layers = zip(self.layers, streams, strict=True)
        read = [(layer(tokens, tokens, there), there) for layer, (tokens, there) in layers]
        if self.released is not None:
            return self.released(read)
        if not len(self.told):
            return read
        places = range(len(read))
        return [
            (told(read[i][0], [read[j] for j in places if j != i]), read[i][1])
            for i, told in zip(places, self.told, strict=True)
        ]


class MusicEncoder(nn.Module):
    """Segments (C, S, E) of one sense -> what they are read as (C, S, D), and labels (C, S, L)."""

    def __init__(self, width_in: int, n_labels: int, options: Options) -> None:
        super().__init__()
        width = options.width
        self.segments = nn.Linear(width_in, width)
        self.layer = Attend(width, options.n_heads, options.drop_path, "self")
        self.labels = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width // 2), nn.ReLU(),
            nn.Linear(width // 2, n_labels),
        )  # fmt: skip

    def forward(self, segments: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self.segments(segments)
        tokens = tokens + sinusoids(tokens.shape[1], tokens)
        there = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        tokens = self.layer(tokens, tokens, there)
        return tokens, self.labels(tokens)


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.audio_in = nn.Linear(options.audio_width, width)
        self.pixels = nn.Linear(options.visual_width, width)
        self.words = nn.Embedding(options.n_words, width)
        self.steps = nn.ModuleList(Step(options) for _ in range(options.n_layers))
        self.released = options.compat == "released"
        self.music = self._music_encoders(options)
        if options.highway:
            named = options.regions_stream is not None
            self.regions = RegionTokens(options.visual_width, width, named)
        if self.released:
            self._ask(options)
        else:
            names = [*SENSES, *self.music, *(["regions"] if options.highway else [])]
            if options.highway:
                self.regions_told = Teller(width)
            self.gates = nn.ModuleDict({name: nn.Linear(width, width) for name in names})
        inner = options.word_width if self.released else width
        self.fuse = nn.Linear(width, inner)
        self.dropout = nn.Dropout(0.0 if self.released else options.dropout)
        self.answer = nn.Linear(inner, N_ANSWERS)

    @staticmethod
    def _music_encoders(options: Options) -> nn.ModuleDict:
        """One of each kind for each sense; as released one of each kind for both."""
        widths = {"audio": options.audio_width, "visual": options.visual_width}
        kinds = ["rhythm"] * options.rhythm + ["source"] * options.sources
        made: dict[str, nn.Module] = {}
        for kind in kinds:
            if options.compat == "released":
                n_labels = RELEASED_SEGMENTS[kind]
                made[kind] = BothSenses(widths, options.width, n_labels, options.dropout)
                continue
            for sense in SENSES:
                made[f"{kind}_{sense}"] = MusicEncoder(widths[sense], N_LABELS[kind], options)
        return nn.ModuleDict(made)

    def _ask(self, options: Options) -> None:
        """As released: towers that read the question for each of the vectors that are added."""
        width, heads, dropout = options.width, options.n_heads, options.dropout
        self.ask = QuestionTower(TowerSizes(width, width, width, heads, dropout))
        sizes = TowerSizes(options.word_width, width, width, heads, dropout)
        n_tokens = {"audio": options.n_segments, "visual": options.n_moments}
        words_as: dict[str, nn.Module] = {
            f"{kind}_{sense}": WordsAs(n_tokens[sense]) for kind in self.music for sense in SENSES
        }
        if options.highway:
            words_as["regions"] = WordsAsOne(width)
        self.asked = nn.ModuleDict(
            {name: AskedTokens(part, sizes, options.n_words) for name, part in words_as.items()}
        )

    def forward(self, batch: Batch) -> Output:
        vectors, question, words = self._senses(batch)
        said = self._music(batch)
        frozen = self.options.music == "frozen"
        tokens = {name: read.detach() if frozen else read for name, (read, _) in said.items()}
        if self.released:
            gates = self._answer_asked(batch, vectors, question, tokens)
        else:
            vectors |= self._in_seconds(batch, tokens)
            if self.options.highway:
                vectors["regions"] = self._highway(batch, words)
            gates = {name: gate(question) for name, gate in self.gates.items()}
        gated = [v * gates[name].sigmoid() for name, v in vectors.items()]
        total = self.dropout(gelu(self.fuse(torch.stack(gated).sum(0))))
        losses = {}
        if self.options.music == "learning":
            losses = self._music_losses(batch, said, self.options.music_weight)
        return Output(self.answer(total), losses)

    def _senses(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor, tuple[Tensor, Tensor]]:
        """What the steps make: means (B, D) of sound and pictures, what gates them (B, D).

        And the words (B, W, D) before the steps, with which of them are there (B, W).
        """
        rows, valid = batch.clip_of, batch.seconds
        audio = self.audio_in(batch.streams[self.options.audio_stream])
        pixels = self.pixels(self._places(batch))
        n_places = pixels.shape[2]
        moments = sinusoids(audio.shape[1], audio)
        pixels = (pixels + moments[:, None]).flatten(1, 2)
        words = self._words(batch)
        seen = valid.repeat_interleave(n_places, 1)
        streams = [((audio + moments)[rows], valid[rows]), (pixels[rows], seen[rows]), words]
        for step in self.steps:
            streams = step(streams)
        means = [mean_of_seconds(tokens, there) for tokens, there in streams]
        question = self.ask(streams[2][0]).mean(1) if self.released else means[2]
        return dict(zip(SENSES, means, strict=False)), question, words

    def _words(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Words (B, W, D) and which are there: as released fourteen, padding among them."""
        numbers = words_read(batch.words) if self.released else batch.words
        spelled = self.words(numbers)
        real = torch.ones_like(numbers, dtype=torch.bool) if self.released else real_words(numbers)
        return spelled + sinusoids(spelled.shape[1], spelled), real

    def _answer_asked(
        self, batch: Batch, vectors: dict[str, Tensor], question: Tensor, tokens: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Puts what was asked of music and region among the vectors; gives the gates (B, D)."""
        gates = dict.fromkeys(SENSES, question)
        if self.options.highway:
            tokens = {**tokens, "regions": self._region(batch)}
        words = words_read(batch.words)
        for name, asked in self.asked.items():
            vectors[name], gates[name] = asked(tokens[name][batch.clip_of], words)
        return gates

    def _in_seconds(self, batch: Batch, tokens: dict[str, Tensor]) -> dict[str, Tensor]:
        """Means (B, D) over a clip's seconds, each of which has its segment's tokens (C, S, D)."""
        to_seconds = self._segments(batch, self.options.n_segments).transpose(1, 2)  # (C, T, S)
        found = {}
        for name, read in tokens.items():
            in_seconds = to_seconds @ read
            moments = sinusoids(in_seconds.shape[1], in_seconds)
            found[name] = mean_of_seconds(in_seconds + moments, batch.seconds)[batch.clip_of]
        return found

    def stage_losses(self, stage: str, batch: Batch) -> dict[str, Tensor]:
        """Stages 'rhythm' and 'sources': the labels of one kind from either sense."""
        kind = {"rhythm": "rhythm", "sources": "source"}[stage]
        said = {name: found for name, found in self._music(batch).items() if kind in name}
        return self._music_losses(batch, said, 1.0)

    def _highway(self, batch: Batch, words: tuple[Tensor, Tensor]) -> Tensor:
        """Regions (B, D) as the question's words tell them, the mean by their shares."""
        tokens, shares = self._regions(batch, batch.seconds)
        tokens = tokens[batch.clip_of]
        tokens = tokens + self.regions_told(tokens, *words)
        return torch.einsum("bn,bnd->bd", shares[batch.clip_of], tokens)

    def _region(self, batch: Batch) -> Tensor:
        """As released, one region (C, 1, D): the map of the middle second, where none are named."""
        valid = batch.seconds
        if self.options.regions_stream is None:
            seconds = torch.arange(valid.shape[1], device=valid.device)
            valid = seconds == (valid.sum(1, keepdim=True) // 2)
        tokens, shares = self._regions(batch, valid)
        return torch.einsum("cn,cnd->cd", shares, tokens)[:, None]

    def _regions(self, batch: Batch, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (C, N, D) and shares (C, N) of the regions of these seconds (C, T)."""
        maps = batch.streams[self.options.visual_stream]
        boxes = self.options.regions_stream
        return self.regions(maps, batch.streams[boxes] if boxes else None, valid)

    def _places(self, batch: Batch) -> Tensor:
        return place_vectors(batch.streams[self.options.visual_stream], self.options.places)

    def _segments(self, batch: Batch, n_segments: int) -> Tensor:
        """Shares (C, S, T) of seconds in segments."""
        like = batch.streams[self.options.streams[0]]
        return segment_shares(batch.seconds, n_segments).to(like.dtype)

    def _music(self, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
        """What each encoder of rhythm or sources makes of its sense."""
        if not len(self.music):
            return {}
        audio = batch.streams[self.options.audio_stream]
        pictures = picture_vectors(batch.streams[self.options.visual_stream])
        shares = self._segments(batch, self.options.n_segments)
        if self.released:
            moments = spread_seconds(batch.seconds, self.options.n_moments)
            tokens = {"audio": shares @ audio, "visual": take_seconds(pictures, moments)}
            both = [(kind, sense) for kind in self.music for sense in SENSES]
            return {f"{kind}_{s}": self.music[kind](tokens[s], s) for kind, s in both}
        tokens = {"audio": shares @ audio, "visual": shares @ pictures}
        return {
            name: encoder(tokens[name.partition("_")[2]]) for name, encoder in self.music.items()
        }

    def labels(self, batch: Batch) -> dict[str, Tensor]:
        """Rhythm (C, S, 1) and sources (C, S, 22) of the clips, from the music streams.

        As released, changes of tempo (C, 20) and counts of sources (C, 30).
        """
        found, options = {}, self.options
        each = RELEASED_SEGMENTS if self.released else dict.fromkeys(N_LABELS, options.n_segments)
        if options.rhythm:
            rows = batch.streams["music_tempo"]
            whole = tempo_of(rows, self._segments(batch, 1))[:, 0]
            share = RELEASED_SHARE if self.released else options.tempo_share
            tempo = tempo_of(rows, self._segments(batch, each["rhythm"]))
            changes = rhythm_labels(tempo, whole, share, self.released)
            found["rhythm"] = changes if self.released else changes[..., None]
        if options.sources:
            label = source_counts if self.released else source_labels
            shares = self._segments(batch, each["source"])
            found["source"] = label(batch.streams["music_tags"], shares, options.least_tag)
        return found

    def _music_losses(
        self, batch: Batch, said: dict[str, tuple[Tensor, Tensor]], weight: float
    ) -> dict[str, Tensor]:
        """Mean squared errors, half for either sense."""
        wanted = self.labels(batch) if said else {}
        return {
            name: 0.5 * weight * mse_loss(told, wanted[name.partition("_")[0]])
            for name, (_, told) in said.items()
        }


PRINTED = Recipe(
    epochs=30, batch_clips=8, batch_questions=8, learning_rate=1e-4, optimizer="adam",
    schedule="step", step_epochs=5, step_factor=0.5, ties="last", seed=42,
)  # fmt: skip
"""The paper's rate, halved after every five epochs; the rest is that of the released code."""

RECIPES = {
    "default": USUAL,
    "music_avqa": replace(
        PRINTED, batch_clips=64, batch_questions=None, max_questions_per_clip=1, ties="first",
        seed=0,
    ),
}  # fmt: skip

_MUSIC = Recipe(
    epochs=5, batch_clips=16, learning_rate=1e-3, optimizer="adam", schedule="constant",
    max_questions_per_clip=1,
)  # fmt: skip

STAGES = {"rhythm": {"default": _MUSIC}, "sources": {"default": _MUSIC}}
"""The paper's optimiser and rate; epochs and batch are those of the released code."""

REPRODUCTION = Reproduction(
    PRINTED,
    "the paper, which says Adam and 1e-4, halved after every five epochs; epochs and batch from "
    "xid32/Amuse_code main_training.py",
    stages={"rhythm": _MUSIC, "sources": _MUSIC},
    differs=(
        "The released program has a rate of 1e-3, a tenth of it after every eight epochs, and "
        "InfoBatch, which leaves out half of the questions that are easier than the mean.",
        "It trains on the first question of each video; here all are asked.",
    ),
)
