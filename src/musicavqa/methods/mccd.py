"""MCCD: one transformer for all that is read, and three bias learners (Ma et al., NeurIPS 2024).

Look, Listen, and Answer: Overcoming Biases for Audio-Visual Question Answering. A VisualBERT reads
words, pictures and sounds together and its first state answers. While training, the same
transformer also reads the question, the sound and the picture alone; bias learners answer from
each, the joint answer is pushed away from theirs, and theirs agree in a cycle
(`layers/debiasing.py`, with the weights of the released configuration). Only the joint answer is
used in prediction.

Where we differ:
* The paper starts from pretrained VisualBERT weights (BERT's word pieces, 12 layers, 768 wide);
  `PUBLISHED` has those sizes. By default we train 4 layers of 256 on our own words and streams.
  Converted weights (`--words vocab.txt`, BERT's list) read BERT's pieces.
* Seconds that a clip does not have and padding words are masked. The sound and the picture alone
  are read once per clip, and in training only; the release reads both in testing too.
* `compat="released"` answers from the first token whatever it is: [CLS] where BERT's pieces are
  read, the question's first word where ours are; of sound and picture alone the first second.
  "paper" puts a learned start before each of the four.

Parameters in the official configuration: 117 191 336.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.debiasing import MODALITIES, BiasLearner, agree_in_a_cycle, push_apart
from musicavqa.methods.layers.seconds import picture_vectors
from musicavqa.methods.layers.single_query import ask
from musicavqa.methods.layers.word_pieces import WordPieces
from musicavqa.methods.layers.words import real_words
from musicavqa.records import Batch, Output

OWN_GRIDS = True
"""Sound and picture may have rows of unequal number, such as 60 and 20."""

CARD = Card(
    title="Look, Listen, and Answer: Overcoming Biases for Audio-Visual Question Answering (MCCD)",
    year=2024,
    venue="NeurIPS",
    family="debiasing",
    streams=("audio_yamnet", "visual_effnet"),
    reference="official code",
    official_scores="MCCD",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One vector or one map (averaged over its places) per second."""
    visual_width: int = 1280
    width: int = 256
    """Width of the transformer."""
    feed_width: int = 1024
    """Inside of its feed-forward steps."""
    visual_token_width: int = 512
    """Of a second before it is joined to the words."""
    n_layers: int = 4
    n_heads: int = 4
    dropout: float = 0.1
    n_words: int = N_WORDS
    word_pieces: int = 0
    """Most pieces that a word of ours has in BERT's list, which converted weights read; 0: none."""
    longest_question: int = 0
    """In pieces, [CLS] and [SEP] included; more are cut off. 0 keeps all."""
    n_places: int = 512
    """Longest question, and longest clip in seconds."""
    push_weight: float = 0.01
    """Of the term that pushes the answer away from the bias learners."""
    cycle_weight: float = 0.333
    """Of the term that makes the bias learners agree."""
    shares: tuple[float, float, float] = (0.333, 0.333, 0.333)
    """Of the three parts of either term."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_r2plus1d",
    visual_width=512,
    width=768,
    feed_width=3072,
    visual_token_width=2048,
    n_layers=12,
    n_heads=12,
    n_words=30522,
    longest_question=14,
)
"""Sizes of the paper; with compat="released" official weights fit."""

Tokens = tuple[torch.Tensor, torch.Tensor]
"""Vectors (B or C, N, D), and which of them are there (B or C, N)."""


class VisualBERT(nn.Module):
    """Words and seconds, each with a place and a kind, through one transformer."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width = options.width
        self.words = nn.Embedding(options.n_words, width)
        self.places = nn.Embedding(options.n_places, width)
        self.kinds = nn.Embedding(2, width)
        self.seconds = nn.Linear(options.visual_token_width, width)
        self.second_places = nn.Embedding(options.n_places, width)
        self.second_kinds = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(options.dropout)
        self.layers = nn.ModuleList(_layer(options) for _ in range(options.n_layers))
        self.pool = nn.Linear(width, width)
        self.start = nn.Parameter(torch.zeros(width)) if options.compat == "paper" else None

    def forward(self, placed: Tokens, seconds: Tokens | None = None) -> torch.Tensor:
        """The first state (B, D), after a tanh layer.

        What is `placed` stands in order; `seconds`, where given, follow and carry no order.
        """
        vectors, there = placed
        if self.start is not None:
            start = self.start.expand(len(vectors), 1, -1)
            vectors = torch.cat([start, vectors], dim=1)
            there = nn.functional.pad(there, (1, 0), value=True)
        tokens = vectors + self._places(vectors.shape[1]) + self.kinds.weight[0]
        if seconds is not None:
            marks = self.second_places.weight[0] + self.second_kinds.weight[1]
            tokens = torch.cat([tokens, seconds[0] + marks], dim=1)
            there = torch.cat([there, seconds[1]], dim=1)
        tokens = self.dropout(self.norm(tokens))
        *layers, last = self.layers
        for layer in layers:
            tokens = layer(tokens, src_key_padding_mask=~there)
        return torch.tanh(self.pool(_first_state(last, tokens, there)))

    def _places(self, n_places: int) -> torch.Tensor:
        known = self.places.num_embeddings
        if n_places > known:
            raise ValueError(f"{n_places} places in a row are more than n_places={known}.")
        return self.places.weight[:n_places]


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.audio = nn.Linear(options.audio_width, width)
        self.visual = nn.Linear(options.visual_width, width)
        self.token = nn.Linear(width, options.visual_token_width)
        pieces = options.word_pieces
        self.pieces = WordPieces(pieces, options.longest_question) if pieces else None
        self.reader = VisualBERT(options)
        self.dropout = nn.Dropout(options.dropout)
        self.answer = nn.Linear(width, N_ANSWERS)
        self.learners = nn.ModuleDict({name: BiasLearner(width) for name in MODALITIES})

    def forward(self, batch: Batch) -> Output:
        options, rows = self.options, batch.clip_of
        heard, seen = options.audio_stream, options.visual_stream
        words = self.read(batch.words)
        audio = self.hear(batch.streams[heard], batch.there(heard))
        visual = self.see(batch.streams[seen], batch.there(seen))
        logits = self.joint_logits(words, audio, visual, rows)
        if not self.training:
            return Output(logits)
        return Output(logits, self._losses(logits, self.bias_logits(words, audio, visual, rows)))

    def read(self, words: torch.Tensor) -> Tokens:
        """Vectors of our word numbers (B, W), or of the pieces that they have."""
        if self.pieces is None:
            return self.reader.words(words), real_words(words)
        pieces, there = self.pieces(words)
        return self.reader.words(pieces), there

    def hear(self, stream: torch.Tensor, there: torch.Tensor) -> Tokens:
        """Vectors of the rows of the audio stream (C, T, ...), of which these are `there`."""
        return self.audio(stream), there

    def see(self, stream: torch.Tensor, there: torch.Tensor) -> Tokens:
        """Likewise of the visual stream, which may have another number of rows."""
        return self.visual(picture_vectors(stream)), there

    def joint_logits(
        self, words: Tokens, audio: Tokens, visual: Tokens, rows: torch.Tensor
    ) -> torch.Tensor:
        """Logits (B, A) of questions about the clips `rows` (B,), from all that is read."""
        seconds, there = (torch.cat(both, dim=1) for both in zip(visual, audio, strict=True))
        joined = self.reader.seconds(self.token(seconds))[rows], there[rows]
        return self.answer(self.dropout(self.reader(words, joined)))

    def bias_logits(
        self, words: Tokens, audio: Tokens, visual: Tokens, rows: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Logits (B, A) of the learners that read question, audio or visual alone."""
        first = {
            "question": self.reader(words),
            "audio": self.reader(audio)[rows],
            "visual": self.reader(visual)[rows],
        }
        return {name: self.learners[name](vector) for name, vector in first.items()}

    def _losses(
        self, logits: torch.Tensor, biases: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        options = self.options
        push = push_apart(logits, biases, options.shares)
        cycle = agree_in_a_cycle(biases, options.shares)
        return {"push": options.push_weight * push, "cycle": options.cycle_weight * cycle}


def _first_state(layer: Any, tokens: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """The first state (B, D) after a layer, whose other states nobody reads."""
    found, _ = ask(layer.self_attn, tokens[:, 0], tokens, there)
    first = layer.norm1(tokens[:, 0] + layer.dropout1(found))
    inner = layer.dropout(layer.activation(layer.linear1(first)))
    return layer.norm2(first + layer.dropout2(layer.linear2(inner)))


def _layer(options: Options) -> nn.Module:
    return nn.TransformerEncoderLayer(
        options.width,
        options.n_heads,
        options.feed_width,
        options.dropout,
        activation="gelu",
        layer_norm_eps=1e-12,
        batch_first=True,
    )


OFFICIAL = replace(
    RELEASED, epochs=150, learning_rate=3e-5, step_epochs=20, step_factor=0.5, seed=42
)

RECIPES = {
    "default": replace(USUAL, learning_rate=1e-4, warmup_epochs=3),
    "music_avqa": OFFICIAL,
}

REPRODUCTION = Reproduction(
    OFFICIAL,
    "reml-group/MUSIC-AVQA-R option.yaml, whose model name is that of a sensitivity run",
    differs=(
        "Training starts from random weights; there from VisualBERT, pretrained on pictures and "
        "words. Expect less than what was published.",
        "Words are our list of the templates, there BERT's word pieces.",
    ),
)

_EMBEDDINGS = "visual_bert.embeddings."
OFFICIAL_KEYS = {
    f"{_EMBEDDINGS}word_embeddings.": "reader.words.",
    f"{_EMBEDDINGS}position_embeddings.": "reader.places.",
    f"{_EMBEDDINGS}token_type_embeddings.": "reader.kinds.",
    f"{_EMBEDDINGS}visual_projection.": "reader.seconds.",
    f"{_EMBEDDINGS}visual_position_embeddings.": "reader.second_places.",
    f"{_EMBEDDINGS}visual_token_type_embeddings.": "reader.second_kinds.",
    f"{_EMBEDDINGS}LayerNorm.": "reader.norm.",
    "visual_bert.encoder.layer.": "reader.layers.",
    "visual_bert.pooler.dense.": "reader.pool.",
    "audio_linear.": "audio.",
    "video_linear.": "visual.",
    "av_linear.": "token.",
    "cls.": "answer.",
    "q_bias.linears.": "learners.question.",
    "a_bias.linears.": "learners.audio.",
    "v_bias.linears.": "learners.visual.",
}

_PARTS = {
    ".attention.output.dense.": ".self_attn.out_proj.",
    ".attention.output.LayerNorm.": ".norm1.",
    ".intermediate.dense.": ".linear1.",
    ".output.dense.": ".linear2.",
    ".output.LayerNorm.": ".norm2.",
}


def adapt_official(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Name the parts of each layer as torch does, with query, key and value in one matrix."""
    renamed = {}
    for key, tensor in state.items():
        layer, found, kind = key.partition(".attention.self.query.")
        if found:
            three = [state[f"{layer}.attention.self.{n}.{kind}"] for n in ("query", "key", "value")]
            renamed[f"{layer}.self_attn.in_proj_{kind}"] = torch.cat(three)
        elif ".attention.self." not in key:
            key = _learner_step(key)
            for official, ours in _PARTS.items():
                key = key.replace(official, ours)
            renamed[key] = tensor
    return renamed


def _learner_step(key: str) -> str:
    """The linear layers of a bias learner stand at every second place, between ReLUs."""
    before, found, after = key.partition("_bias.linears.")
    return f"{before}{found}{2 * int(after[0])}{after[1:]}" if found else key
