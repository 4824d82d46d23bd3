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
than the paper prints. compat="released" has it, **built and checked**: modules give its numbers to
1e-9 of their size in double precision (test_parity_adapters.py); the whole network, run outside
this project at its full size, gave our logits to 2e-14 (test_amuse_walk.py).
* `walk`: one Swin-V2-tiny, frozen but for its norms, sees pictures and spectra of `n_moments`
  seconds. In each of its twelve blocks one adapter is added behind the attention, told by the
  question in the first four, and one behind the MLP. They project nothing and compare channel with
  channel. Without `walk` they stand behind our layers, on features.
* Towers of two layers read the question, fourteen words with their padding: one for each vector of
  rhythm, sources and region, which tells what it gates, and one for both senses. Its mean gates.
* Encoders of rhythm and sources, one of each for both senses (`n_segments` tokens of sound, six
  there, and `n_moments` pictures), tell all labels from a clip's mean: changes of tempo from 30 %
  of the clip's on against the twentieth of it before (of 400,000 made labels 19 differ, where it
  is 30 % but for rounding), and instruments of `music_tags` in thirtieths (separated sounds there).
* The one region is the middle second's whole map (a detector's there), or what is named, averaged.
* Of its parameters 55,178,956 learn; 12,256,313 of those reach no output, and all others are here.
* Not as there: what rhythm and sources are read from is a feature, and does not learn with them;
  the walked network has no stochastic depth; pictures are kept every sixth second unless extracted
  with every_s=1, and then so are the rows of the music streams.
* Not built: masking (off in its settings), InfoBatch, key subset, and merging of tokens, which
  looks for outliers among sums of shares, all one but for rounding: what it leaves is chance.
* Its evaluation takes the first question of each video, compares the answer's number with a row of
  zeros and a one, and chooses the epoch on test: it cannot have given the published figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from musicavqa.methods.card import USUAL, Card, Recipe, Reproduction
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.asked_tokens import AskedTokens
from musicavqa.methods.layers.asked_walk import AskedWalk
from musicavqa.methods.layers.channel_adapters import SecondsTold, WordsAs, WordsAsOne
from musicavqa.methods.layers.grouping import Attend
from musicavqa.methods.layers.music_encoders import SENSES, MusicEncoders
from musicavqa.methods.layers.music_labels import segment_shares
from musicavqa.methods.layers.picture_regions import RegionTokens
from musicavqa.methods.layers.question_towers import QuestionTower, TowerSizes, words_read
from musicavqa.methods.layers.seconds import mean_of_seconds
from musicavqa.methods.layers.tokens import place_vectors, sinusoids
from musicavqa.methods.layers.told_streams import Teller, Told
from musicavqa.methods.layers.words import real_words
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
    "code, which is another model, its detector and InfoBatch",
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
    """Seconds, from a clip's first to its last, in which music is seen, and which are walked."""
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
    walk: Literal["", "tiny", "swin_v2_t"] = ""
    """As released: the network that is walked block by block for sound and pictures, in the place
    of features and layers; those are left to rhythm, sources and the region."""
    sound_stream: str = "audio_fbank_192"
    """A spectrum (frames, bands) per second, which is walked like a picture."""
    picture_stream: str = "visual_frames"
    """A picture (3, rows, columns) per second, values 0 to 255, which is walked."""
    n_asked: int = 4
    """Blocks of the walk that the question tells, the first ones."""
    frozen: bool = True
    """Of the walked network only the norms learn; else all of it."""

    def __post_init__(self) -> None:
        if self.walk and self.compat != "released":
            raise ValueError(f"walk={self.walk!r} is what was released: set compat='released'.")
        if self.walk and not self.interactive:
            raise ValueError(
                "In the walk sound, pictures and question tell each other: set interactive=True."
            )

    @property
    def streams(self) -> tuple[str, ...]:
        music = self.rhythm or self.sources
        walked = (self.sound_stream, self.picture_stream) if self.walk else ()
        heard = (self.audio_stream,) if music or not self.walk else ()
        seen = (self.visual_stream,) if music or self.highway or not self.walk else ()
        more = (self.regions_stream,) if self.regions_stream and self.highway else ()
        told = ("music_tempo",) * self.rhythm + ("music_tags",) * self.sources
        return *walked, *heard, *seen, *more, *told

    @property
    def stages(self) -> tuple[str, ...]:
        return ("rhythm",) * self.rhythm + ("sources",) * self.sources


PUBLISHED = Options(
    audio_stream="audio_vggish", audio_width=128,
    visual_stream="visual_resnet18_map", visual_width=512, width=512, music="frozen",
)  # fmt: skip
"""On the features of MUSIC-AVQA; the paper's own encoders are not at hand as features."""


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


Vectors = dict[str, Tensor]
"""Of one kind of evidence each, (B, D)."""
Sensed = tuple[Vectors, Tensor, tuple[Tensor, Tensor] | None]
"""Means (B, D) of sound and pictures, what gates are made of (B, D), and, but for the walk, the
words (B, W, D) as they were before the steps, with which of them are there (B, W)."""


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.released = options.compat == "released"
        self.walk = AskedWalk(options) if options.walk else None
        if self.walk is None:
            self.audio_in = nn.Linear(options.audio_width, width)
            self.pixels = nn.Linear(options.visual_width, width)
            self.words = nn.Embedding(options.n_words, width)
            self.steps = nn.ModuleList(Step(options) for _ in range(options.n_layers))
        self.music = MusicEncoders(options)
        if options.highway:
            named = options.regions_stream is not None
            self.regions = RegionTokens(options.visual_width, width, named)
        if self.released:
            self._add_towers(options)
        else:
            names = [*SENSES, *self.music, *(["regions"] if options.highway else [])]
            if options.highway:
                self.regions_told = Teller(width)
            self.gates = nn.ModuleDict({name: nn.Linear(width, width) for name in names})
        inner = options.word_width if self.released else width
        self.fuse = nn.Linear(width, inner)
        self.dropout = nn.Dropout(0.0 if self.released else options.dropout)
        self.answer = nn.Linear(inner, N_ANSWERS)

    def _add_towers(self, options: Options) -> None:
        """As released: towers that read the question for each of the vectors that are added."""
        width, heads, dropout = options.width, options.n_heads, options.dropout
        if self.walk is None:
            self.ask = QuestionTower(TowerSizes(width, width, width, heads, dropout))
        sizes = TowerSizes(options.word_width, width, width, heads, dropout)
        words_as: dict[str, nn.Module] = {
            name: WordsAs(n_tokens) for name, n_tokens in self.music.n_tokens.items()
        }
        if options.highway:
            words_as["regions"] = WordsAsOne(width)
        self.asked = nn.ModuleDict(
            {name: AskedTokens(part, sizes, options.n_words) for name, part in words_as.items()}
        )

    @property
    def weights(self) -> dict[str, str]:
        """Where official weights belong, and which."""
        walk = self.options.walk
        return {} if walk in ("", "tiny") else {"walk.eye.tower.network": walk}

    def forward(self, batch: Batch) -> Output:
        vectors, question, words = self._senses(batch) if self.walk is None else self._walk(batch)
        said = self.music(batch)
        frozen = self.options.music == "frozen"
        tokens = {name: read.detach() if frozen else read for name, (read, _) in said.items()}
        if self.released:
            asked, gates = self._ask_towers(batch, tokens)
            vectors |= asked
            gates |= dict.fromkeys(SENSES, question)
        else:
            vectors |= self._in_seconds(batch, tokens)
            if self.options.highway:
                vectors["regions"] = self._highway(batch, words)
            gates = {name: gate(question) for name, gate in self.gates.items()}
        gated = [v * gates[name].sigmoid() for name, v in vectors.items()]
        total = self.dropout(gelu(self.fuse(torch.stack(gated).sum(0))))
        losses = {}
        if self.options.music == "learning":
            losses = self.music.losses(batch, said, self.options.music_weight)
        return Output(self.answer(total), losses)

    def _walk(self, batch: Batch) -> Sensed:
        assert self.walk is not None
        heard, seen, question = self.walk(batch)
        return {"audio": heard, "visual": seen}, question, None

    def _senses(self, batch: Batch) -> Sensed:
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

    def _ask_towers(self, batch: Batch, tokens: Vectors) -> tuple[Vectors, Vectors]:
        """As released: what is asked of music (tokens (C, N, D)) and region, and their gates."""
        if self.options.highway:
            tokens = {**tokens, "regions": self._region(batch)}
        words = words_read(batch.words)
        asked = {
            name: part(tokens[name][batch.clip_of], words) for name, part in self.asked.items()
        }
        vectors = {name: vector for name, (vector, _) in asked.items()}
        return vectors, {name: gate for name, (_, gate) in asked.items()}

    def _in_seconds(self, batch: Batch, tokens: Vectors) -> Vectors:
        """Means (B, D) over a clip's seconds, each of which has its segment's tokens (C, S, D)."""
        shares = segment_shares(batch.seconds, self.options.n_segments)  # (C, S, T)
        found = {}
        for name, read in tokens.items():
            in_seconds = shares.transpose(1, 2).to(read.dtype) @ read
            moments = sinusoids(in_seconds.shape[1], in_seconds)
            found[name] = mean_of_seconds(in_seconds + moments, batch.seconds)[batch.clip_of]
        return found

    def stage_losses(self, stage: str, batch: Batch) -> dict[str, Tensor]:
        """Stages 'rhythm' and 'sources': the labels of one kind from either sense."""
        kind = {"rhythm": "rhythm", "sources": "source"}[stage]
        said = {name: found for name, found in self.music(batch).items() if kind in name}
        return self.music.losses(batch, said, 1.0)

    def _highway(self, batch: Batch, words: tuple[Tensor, Tensor] | None) -> Tensor:
        """Regions (B, D) as the question's words tell them, the mean by their shares."""
        assert words is not None
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

OFFICIAL_OPTIONS = {
    "walk": "swin_v2_t", "sound_stream": "audio_fbank_256", "picture_stream": "visual_frames_256",
    "audio_stream": "audio_htsat", "audio_width": 768, "visual_stream": "visual_swin_v2_tiny",
    "visual_width": 768, "width": 768, "n_segments": 6,
}  # fmt: skip
"""Sizes and streams of the released network; its region is of a detector's map of 640 channels."""
