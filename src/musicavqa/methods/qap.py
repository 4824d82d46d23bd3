"""QaP: prompts of a frozen language model that ask sound and picture (Liang et al., CVPR 2024).

Querying as Prompt: Parameter-Efficient Learning for Multimodal Language Model. The question is read
by a frozen bidirectional language model behind one learnt prompt per sense. In the first half of
its layers, after their self-attention, each prompt looks at the seconds of its sense, mapped by one
matrix that is key and value, and what it finds is added through a gate; beside the feed-forward
half of every layer runs a narrow adapter. The state at [MASK] is answered from.

There is no official code: `CARD.reference` says "paper only". Where the paper leaves a choice:
* The prompt that asks is the one after self-attention, as in equation 4 and figure 2; one paragraph
  writes the one before it.
* Gates of the first quarter of the layers begin at 1, of the second at 0; those of adapters at 0,
  and their scale is 3. Their width, which is not printed, is the eighth that its counts suggest.
* The head is a linear layer over the 42 answers; the paper's is not described.

Where we differ:
* The language model reads our words, norms first, without relative positions. None comes with
  weights: by default it is small, random and learns (`frozen=False`). `PUBLISHED` has the sizes of
  DeBERTa-V2-XLarge, for weights of one's own.
* Seconds are those of our streams; CLAP, which the paper hears with, is not among them. Seconds
  that a clip does not have are masked; sound and picture are mapped once for a clip.

With CLIP's 768 and CLAP's 512 numbers a second the prompts' matrices have 23 629 824 parameters and
the adapters 14 197 272, which is what the paper's ablations leave for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from musicavqa.backbones.language import LanguageTower
from musicavqa.backbones.tower import Frozen
from musicavqa.methods.card import USUAL, Card, Recipe, Reproduction
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.seconds import picture_vectors
from musicavqa.methods.layers.words import real_words
from musicavqa.records import Batch, Output

CARD = Card(
    title="Querying as Prompt: Parameter-Efficient Learning for Multimodal Language Model (QaP)",
    year=2024,
    venue="CVPR",
    family="adapters",
    streams=("audio_yamnet", "visual_effnet"),
    reference="paper only",
    official_scores="QaP",
    missing="its language model's weights, and CLAP to hear with",
)

SENSES = ("audio", "visual")
SCALE = 3.0
"""Of what an adapter adds."""


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One vector or one map (averaged over its places) per second."""
    visual_width: int = 1280
    language: Literal["tiny", "xlarge"] = "tiny"
    """Sizes of the language model."""
    frozen: bool = False
    """Keep the language model as it is; else it learns with the rest."""
    narrower: int = 8
    """Width of the language model over that inside an adapter."""
    dropout: float = 0.1
    n_words: int = N_WORDS

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_ast", audio_width=768,
    visual_stream="visual_clip_l14_336", visual_width=768,
    language="xlarge", frozen=True,
)  # fmt: skip
"""Sizes of the paper, with AST in the place of CLAP."""


class Query(nn.Module):
    """A prompt (B, D) looks at the seconds (B, T, D) of its sense; no projection of its own."""

    def __init__(self, width_in: int, width: int, gate: float) -> None:
        super().__init__()
        self.map = nn.Linear(width_in, width)
        self.gate = nn.Parameter(torch.tensor([gate]))

    def forward(self, prompt: Tensor, seconds: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """The prompt with what it found, and the shares (B, T) of the seconds."""
        scores = torch.einsum("bd,btd->bt", prompt, seconds).masked_fill(~valid, -torch.inf)
        shares = scores.softmax(-1)
        return prompt + self.gate * torch.einsum("bt,btd->bd", shares, seconds), shares


class Beside(nn.Module):
    """What runs beside a feed-forward half."""

    def __init__(self, width: int, inside: int, dropout: float) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, inside), nn.Linear(inside, width)
        self.gate = nn.Parameter(torch.zeros(1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.gate * SCALE * self.up(self.dropout(torch.relu(self.down(tokens))))


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        language = LanguageTower(options.language, options.n_words + 1)
        self.language = Frozen(language, learns=not options.frozen)
        width, n_layers = language.width, len(language.places)
        self.prompts = nn.Parameter(torch.randn(len(SENSES), width) / width**0.5)
        sizes = {"audio": options.audio_width, "visual": options.visual_width}
        asking = n_layers // 2
        self.queries = nn.ModuleList(
            nn.ModuleDict(
                {name: Query(n, width, float(i < asking // 2)) for name, n in sizes.items()}
            )
            for i in range(asking)
        )
        self.beside = nn.ModuleList(
            Beside(width, max(1, width // options.narrower), options.dropout)
            for _ in range(n_layers)
        )
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        tower, rows = self.language.tower, batch.clip_of
        valid = batch.seconds[rows]
        senses = {
            "audio": batch.streams[self.options.audio_stream],
            "visual": picture_vectors(batch.streams[self.options.visual_stream]),
        }
        tokens, there = self._begin(batch.words)
        looked = []
        for i, beside in enumerate(self.beside):
            added = tower.attend(i, tokens, there)
            if i < len(self.queries):
                found = []
                for place, name in enumerate(SENSES):
                    query = self.queries[i][name]
                    seconds = query.map(senses[name])[rows]
                    prompt, shares = query(added[:, place], seconds, valid)
                    found.append(prompt)
                    looked.append(shares)
                added = torch.cat([torch.stack(found, dim=1), added[:, len(SENSES) :]], dim=1)
            tokens = tokens + added
            tokens = tokens + tower.think(i, tokens) + beside(tokens)
        logits = self.answer(tower.end(tokens[:, len(SENSES)]))
        return Output(logits, evidence={"time": torch.stack(looked).mean(0)})

    def _begin(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """Prompts, [MASK] and words (B, 2 + 1 + W, D), and which of them are there."""
        mask = words.new_full((len(words), 1), self.options.n_words)
        asked = torch.cat([mask, words], dim=1)
        said = torch.cat([mask > 0, real_words(words)], dim=1)
        prompts = self.prompts.expand(len(words), -1, -1)
        tokens = torch.cat([prompts, self.language.tower.begin(asked)], dim=1)
        return tokens, nn.functional.pad(said, (len(SENSES), 0), value=True)


PRINTED = Recipe(epochs=20, batch_clips=64, batch_questions=64, learning_rate=3e-5, warmup_epochs=2)

RECIPES = {"default": USUAL, "music_avqa": PRINTED}

REPRODUCTION = Reproduction(
    PRINTED,
    "the paper, which says 20 epochs, this rate and a warm-up of a tenth",
    differs=(
        "The rate falls by a cosine; there by a line.",
        "Batches and the optimiser are ours: they are not printed.",
    ),
)
