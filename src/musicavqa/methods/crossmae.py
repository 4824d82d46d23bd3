"""CrossMAE: each sense helps to make the other again, patch by patch (Guo et al., CVPR 2024).

Cross-Modality Masked Autoencoders for Region-Aware Audio-Visual Pre-Training. Two encoders read
what is left of a picture and of a spectrum. Their patches are made again by tokens that have looked
at those of the other sense which matter most to it (level 1); the whole features of the other sense
are made by queries from what is left of this one (level 2); and the two summaries find each other.
(The repository that is sometimes linked for this name is another work, on pictures alone.)

The paper has no code, and no MUSIC-AVQA number: it classifies, retrieves and localises. Here it is
adapted:
* A pair is one second. After pre-training nothing is hidden; the question picks seconds of either
  summary, and among the tokens that matter most, the method's regions. The sum of what it finds,
  times the question, is answered by a linear layer. This head is ours.
* By default patches are cells of a feature map and pieces of our log-mel; `PUBLISHED` has raw
  pictures and a spectrum as the paper reads.
* Decoders, temperature, rate: not in the paper's body. The usual ones of masked autoencoders are
  in `PUBLISHED`, smaller ones by default.
* Where the body can be read in two ways: patches count where they were left (`remade="visible"`, as
  printed; usual would be "hidden"), and the tokens that matter most are a quarter of those that are
  left (`attentive="visible"`), or of all, by a second look at everything ("full").
* `level_1`, `level_2` and `contrast_weight` are the variants of its ablation: CL-AV ("none",
  False), CL-SelfMAE ("self", False), CL-CrossCdtMAE ("cross", False), CL-CrossEmbMAE ("none",
  True), and CrossMAE itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, mse_loss

from musicavqa.methods.card import USUAL, Card, Recipe
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.grouping import Attend, Mlp
from musicavqa.methods.layers.masked import (
    Patches,
    Shape,
    check_patches,
    contrast,
    drawn_seconds,
    is_kept,
    left_over,
    put_back,
    remaking_loss,
    take,
)
from musicavqa.methods.layers.multi_head import MultiHead, split
from musicavqa.methods.layers.question_lstm import QuestionLSTM
from musicavqa.methods.layers.question_pooling import QuestionPooling
from musicavqa.records import Batch, Output

CARD = Card(
    title="Cross-Modality Masked Autoencoders for Region-Aware Audio-Visual Pre-Training",
    year=2024,
    venue="CVPR",
    family="masked pre-training",
    streams=("audio_logmel", "visual_effnet"),
    reference="adapted",
    official_scores="CrossMAE",
    checked="its equations; answering is adapted",
    missing="training at the paper's size; sizes that only its appendix has",
)

OTHER = {"audio": "visual", "visual": "audio"}


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_logmel"
    """A spectrum per second."""
    audio_shape: Shape = (2, 50, 64)
    audio_patch: tuple[int, int] = (10, 16)
    visual_stream: str = "visual_effnet"
    """A picture or a map per second."""
    visual_shape: Shape = (1280, 7, 7)
    visual_patch: tuple[int, int] = (1, 1)
    width: int = 192
    n_heads: int = 6
    n_layers: int = 3
    """Blocks of either encoder."""
    decoder_width: int = 96
    decoder_heads: int = 4
    decoder_layers: int = 1
    hidden: float = 0.75
    """Share of the patches that is hidden."""
    most: float = 0.25
    """Share of the tokens that matter most to their summary."""
    attentive: Literal["visible", "full"] = "visible"
    """Those are of the tokens that are left, or of all, by a second look."""
    remade: Literal["visible", "hidden"] = "visible"
    """Patches whose error counts."""
    level_1: Literal["cross", "self", "none"] = "cross"
    """Patches are made again with the help of the other sense, alone, or not at all."""
    level_2: bool = True
    """Features of the other sense are made."""
    contrast_weight: float = 0.1
    temperature: float = 0.07
    pairs_per_clip: int = 1
    """Seconds drawn of each clip in pre-training."""
    dropout: float = 0.1
    """In the question's attention."""
    drop_path: float = 0.1
    """Share of seconds for which a residual branch is skipped while training."""
    n_words: int = N_WORDS

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream

    def __post_init__(self) -> None:
        check_patches("audio", self.audio_shape, self.audio_patch)
        check_patches("visual", self.visual_shape, self.visual_patch)
        if self.level_1 == "none" and not self.level_2 and not self.contrast_weight:
            raise ValueError("Without level_1, level_2 and contrast_weight nothing is learned.")


PUBLISHED = Options(
    audio_stream="audio_fbank_128", audio_shape=(1, 1024, 128), audio_patch=(16, 16),
    visual_stream="visual_frames_224", visual_shape=(3, 224, 224), visual_patch=(16, 16),
    width=768, n_heads=12, n_layers=12,
    decoder_width=512, decoder_heads=16, decoder_layers=8,
)  # fmt: skip
"""Two base models. Their streams share a grid where pictures are kept every ten seconds."""


@dataclass(frozen=True)
class Read:
    """What an encoder makes of patches: summary (R, D), tokens (R, K, D), looks (R, K) at them."""

    summary: Tensor
    tokens: Tensor
    looks: Tensor
    """How much the summary looks at each token in the last block, the mean over heads."""

    def most(self, share: float) -> tuple[Tensor, Tensor]:
        """Numbers (R, k) and tokens (R, k, D) of the share that matters most, one at least."""
        n = max(1, -(-self.looks.shape[1] * round(share * 1000) // 1000))
        best = self.looks.topk(n, dim=1).indices
        return best, take(self.tokens, best)


class Encoder(nn.Module):
    """Patches (R, N, numbers) of one sense, all or those that are kept (R, K)."""

    def __init__(self, options: Options, patches: Patches) -> None:
        super().__init__()
        width, sizes = options.width, (options.n_heads, options.drop_path)
        self.patches = patches
        self.summary = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.blocks = nn.ModuleList(Attend(width, *sizes, "self") for _ in range(options.n_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, pieces: Tensor, kept: Tensor | None = None) -> Read:
        tokens = self.patches(pieces)
        tokens = tokens if kept is None else take(tokens, kept)
        tokens = torch.cat([self.summary.expand(len(tokens), -1, -1), tokens], dim=1)
        there = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        looks = tokens.new_zeros(tokens.shape[:2])
        for block in self.blocks:
            looks = self._looks(block, tokens)
            tokens = block(tokens, tokens, there)
        tokens = self.norm(tokens)
        return Read(tokens[:, 0], tokens[:, 1:], looks[:, 1:])

    @staticmethod
    def _looks(block: nn.Module, tokens: Tensor) -> Tensor:
        """How much the first token looks at each (R, 1 + K) in this block."""
        rows, heads = block.norm_tokens(tokens.detach()), block.attention.n_heads
        query = split(block.attention.query(rows[:, :1]), heads)  # (R, H, 1, D / H)
        key = split(block.attention.key(rows), heads)
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        return scores.softmax(-1).mean(1)[:, 0].detach()


class QueryBlock(nn.Module):
    """Queries (R, M, E) look at themselves and then at tokens (R, K, E); a feed-forward step."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.itself = MultiHead(width, n_heads, 0.0)
        self.tokens = MultiHead(width, n_heads, 0.0)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        own = self.norms[0](queries)
        queries = queries + self.itself(own, own)
        queries = queries + self.tokens(self.norms[1](queries), tokens)
        return queries + self.mlp(self.norms[2](queries))


class PatchDecoder(nn.Module):
    """Level 1: tokens that are left (R, K, D), helped by others (R, k, D) -> all patches."""

    def __init__(self, options: Options, patches: Patches) -> None:
        super().__init__()
        width, sizes = options.decoder_width, (options.decoder_heads, 0.0)
        self.n_tokens = patches.n_tokens
        self.narrow = nn.Linear(options.width, width)
        helped = options.level_1 == "cross"
        self.narrow_help = nn.Linear(options.width, width) if helped else None
        self.help = Attend(width, *sizes, "before") if helped else None
        self.filler = nn.Parameter(0.02 * torch.randn(width))
        self.places = nn.Parameter(0.02 * torch.randn(patches.n_tokens, width))
        self.layers = nn.ModuleList(
            Attend(width, *sizes, "self") for _ in range(options.decoder_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, patches.n_numbers)

    def forward(self, left: Tensor, kept: Tensor, other: Tensor) -> Tensor:
        tokens = self.narrow(left)
        if self.help is not None and self.narrow_help is not None:
            seen = other.new_ones(other.shape[:2], dtype=torch.bool)
            tokens = self.help(tokens, self.narrow_help(other), seen)  # eq. 7-8
        tokens = put_back(tokens, kept, self.filler, self.n_tokens) + self.places
        there = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        for layer in self.layers:
            tokens = layer(tokens, tokens, there)
        return self.out(self.norm(tokens))


class FeatureDecoder(nn.Module):
    """Level 2: tokens of one sense that are left (R, K, D) -> features of the other (R, N, D)."""

    def __init__(self, options: Options, n_wanted: int) -> None:
        super().__init__()
        width = options.decoder_width
        self.narrow = nn.Linear(options.width, width)
        self.queries = nn.Parameter(0.02 * torch.randn(n_wanted, width))
        layers = range(options.decoder_layers)
        self.layers = nn.ModuleList(QueryBlock(width, options.decoder_heads) for _ in layers)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, options.width)

    def forward(self, left: Tensor) -> Tensor:
        tokens = self.narrow(left)
        queries = self.queries.expand(len(left), -1, -1)
        for layer in self.layers:
            queries = layer(queries, tokens)
        return self.out(self.norm(queries))


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        made = {
            "audio": (options.audio_stream, options.audio_shape, options.audio_patch),
            "visual": (options.visual_stream, options.visual_shape, options.visual_patch),
        }
        patches = {sense: Patches(*about, width) for sense, about in made.items()}
        self.encoders = nn.ModuleDict({s: Encoder(options, patches[s]) for s in OTHER})
        levels: dict[str, nn.Module] = {}
        if options.level_1 != "none":
            levels |= {f"patches_{s}": PatchDecoder(options, patches[s]) for s in OTHER}
        if options.level_2:
            sizes = {s: patches[s].n_tokens for s in OTHER}
            levels |= {f"features_{s}": FeatureDecoder(options, sizes[s]) for s in OTHER}
        self.pretraining = nn.ModuleDict(levels)
        self.question = QuestionLSTM(options.n_words, width)
        self.when, self.which = (
            nn.ModuleDict(
                {s: QuestionPooling(width, options.n_heads, options.dropout) for s in OTHER}
            )
            for _ in range(2)
        )
        self.fusion = nn.Linear(width, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        rows, valid = batch.clip_of, batch.seconds
        question = self.question(batch.words)
        found, times = [], []
        for sense in OTHER:
            read = self.encoders[sense](self._pieces(batch, sense).flatten(0, 1))
            summary = read.summary.unflatten(0, valid.shape)
            vector, weights = self.when[sense](question, summary[rows], valid[rows])
            best, regions = read.most(self.options.most)
            n = best.shape[1]
            regions = regions.unflatten(0, valid.shape).flatten(1, 2)  # (C, T k, D)
            there = valid.repeat_interleave(n, 1)
            near, shares = self.which[sense](question, regions[rows], there[rows])
            found += [vector, near]
            times.append(weights)
            if sense == "visual":
                best = best.unflatten(0, valid.shape).flatten(1, 2)[rows]
                n_places = read.tokens.shape[1]
                space = shares.new_zeros(len(rows), n_places).scatter_add(1, best, shares)
        total = torch.stack(found).sum(0)
        logits = self.answer(torch.tanh(self.fusion(torch.tanh(total)) * question))
        return Output(logits, evidence={"time": sum(times) / len(times), "space": space})

    def stage_losses(self, stage: str, batch: Batch) -> dict[str, Tensor]:
        """Stage 'pretraining': 0.1 times the contrast, and both levels (eq. 13)."""
        options = self.options
        clip, second = drawn_seconds(batch.seconds, options.pairs_per_clip)
        pieces = {sense: self._pieces(batch, sense)[clip, second] for sense in OTHER}
        kept = {
            sense: left_over(len(p), p.shape[1], options.hidden, p.device)
            for sense, p in pieces.items()
        }
        read = {sense: self.encoders[sense](pieces[sense], kept[sense]) for sense in OTHER}
        losses = {}
        if options.contrast_weight and len(clip) > 1:
            summaries = read["audio"].summary, read["visual"].summary
            losses["contrast"] = options.contrast_weight * sum(
                contrast(*summaries, options.temperature)
            )
        if options.level_1 != "none":
            losses["patches"] = self.level_1(read, pieces, kept)
        if options.level_2:
            losses["features"] = self.level_2(read, pieces)
        return losses

    def level_1(
        self, read: dict[str, Read], pieces: dict[str, Tensor], kept: dict[str, Tensor]
    ) -> Tensor:
        """Error of the patches, the sum of both senses (eq. 2, 7-9)."""
        full = read
        if self.options.attentive == "full":
            with torch.no_grad():
                full = {sense: self.encoders[sense](pieces[sense]) for sense in OTHER}
        losses = []
        for sense, other in OTHER.items():
            _, helpers = full[other].most(self.options.most)
            decoder = self.pretraining[f"patches_{sense}"]
            made = decoder(read[sense].tokens, kept[sense], helpers)
            counted = is_kept(kept[sense], pieces[sense].shape[1])
            counted = counted if self.options.remade == "visible" else ~counted
            losses.append(remaking_loss(made, pieces[sense], counted))
        return torch.stack(losses).sum()

    def level_2(self, read: dict[str, Read], pieces: dict[str, Tensor]) -> Tensor:
        """Error of the other sense's whole features, each scaled, both ways (eq. 10-12)."""
        losses = []
        for sense, other in OTHER.items():
            with torch.no_grad():
                wanted = self.encoders[sense](pieces[sense]).tokens
            made = self.pretraining[f"features_{sense}"](read[other].tokens)
            losses.append(mse_loss(made, layer_norm(wanted, wanted.shape[-1:])))
        return torch.stack(losses).sum()

    def _pieces(self, batch: Batch, sense: str) -> Tensor:
        """Patches (C, T, N, numbers)."""
        names = {"audio": self.options.audio_stream, "visual": self.options.visual_stream}
        rows = batch.streams[names[sense]]
        pieces = self.encoders[sense].patches.pieces(rows.flatten(0, 1))
        return pieces.unflatten(0, rows.shape[:2])


RECIPES = {
    "default": USUAL,
    "music_avqa": Recipe(
        epochs=30, batch_clips=64, learning_rate=1e-4, weight_decay=0.05, warmup_epochs=1,
        max_questions_per_clip=1,
    ),
}  # fmt: skip
"""The paper says nothing of questions."""

STAGES = {
    "pretraining": {
        "default": Recipe(
            epochs=10, batch_clips=16, learning_rate=3e-4, weight_decay=0.05, warmup_epochs=1,
            gradient_clip=1.0, max_questions_per_clip=1,
        ),
        "music_avqa": Recipe(
            epochs=30, batch_clips=512, learning_rate=3e-4, weight_decay=0.05, warmup_epochs=2,
            max_questions_per_clip=1,
        ),
    },
}  # fmt: skip
"""The paper's epochs and batch; the rate is the usual 1.5e-4 for each 256 of a batch."""
