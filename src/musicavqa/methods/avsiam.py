"""AVSiam: one transformer for pictures and spectra, pre-trained on what is left of both.

Lin and Bertasius, Siamese Vision Transformers are Scalable Audio-Visual Learners (ECCV 2024). The
same blocks read patches of a picture and patches of a spectrum; two more read both together. They
are pre-trained to bring a second's sound and picture together, whatever share of their patches is
hidden (a new share for each group of clips), and to make hidden patches again.

The paper names question answering as future work and has no MUSIC-AVQA number. Here it is adapted:
* A pair is one second of a clip. The vectors of all seconds (sound, picture, both together) are
  weighed by the question as in AVST, added and answered by a linear layer. This head is ours.
* By default patches are cells of a feature map and pieces of our log-mel; `PUBLISHED` has raw
  pictures and the paper's spectrum. A second that is drawn of each clip stands for it in
  pre-training, against those of the other clips.
* Half of the questions in training are answered from one sense alone, as in the paper's
  fine-tuning; there it is half of the iterations, with a head for each case.
* "paper": all parameters of the blocks are shared, the contrast goes one way (eq. 1). "released":
  norms of their own for each sense, embeddings counted twice, contrast both ways, its mean. The
  released script gives the remaking of patches no weight; `remake_weight` is the paper's 1.
* The decoder has 512 channels and 8 blocks as released (the paper says 6 in one place and "default"
  in another); smaller by default here. Joint blocks begin as they come, not as copies.

Official weights of the blocks (compat="released") have a place here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from musicavqa.methods.card import USUAL, Card, Recipe
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.grouping import Attend, Mlp, SkippedPath
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
from musicavqa.methods.layers.question_lstm import QuestionLSTM
from musicavqa.methods.layers.question_pooling import QuestionPooling
from musicavqa.records import Batch, Output

CARD = Card(
    title="Siamese Vision Transformers are Scalable Audio-Visual Learners (AVSiam)",
    year=2024,
    venue="ECCV",
    family="masked pre-training",
    streams=("audio_logmel", "visual_effnet"),
    reference="adapted",
    official_scores="AVSiam",
    checked="its equations and the layout of its weights; answering is adapted",
    missing="training at the paper's size",
)

SENSES = ("audio", "visual")
BOTH = "both"


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
    """Shared blocks."""
    joint_layers: int = 2
    """Blocks that read both senses together."""
    decoder_width: int = 96
    decoder_heads: int = 4
    decoder_layers: int = 1
    hidden_steps: int = 10
    """Shares 0 to `most_hidden` in so many steps can be hidden in the contrast."""
    most_hidden: float = 0.5
    groups: int = 4
    """Of the pairs of a batch; each draws shares of its own."""
    remade_hidden: float = 0.75
    """Share of the patches that is hidden and made again."""
    temperature: float = 0.05
    contrast_weight: float = 1.0
    remake_weight: float = 1.0
    pairs_per_clip: int = 1
    """Seconds drawn of each clip in pre-training."""
    one_sense: float = 0.5
    """Share of questions answered from one sense alone while training."""
    dropout: float = 0.1
    """In the question's attention."""
    drop_path: float = 0.1
    """Share of seconds for which a residual branch is skipped while training."""
    n_words: int = N_WORDS
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream

    def __post_init__(self) -> None:
        check_patches("audio", self.audio_shape, self.audio_patch)
        check_patches("visual", self.visual_shape, self.visual_patch)


PUBLISHED = Options(
    audio_stream="audio_fbank_128", audio_shape=(1, 1024, 128), audio_patch=(16, 16),
    visual_stream="visual_frames_224", visual_shape=(3, 224, 224), visual_patch=(16, 16),
    width=768, n_heads=12, n_layers=12,
    decoder_width=512, decoder_heads=16, decoder_layers=8,
)  # fmt: skip
"""The base model. Its two streams share a grid where pictures are kept every ten seconds."""


class SharedBlock(nn.Module):
    """A transformer block for tokens (R, N, D) of any sense; norms are shared or of each sense."""

    def __init__(self, options: Options, norms: tuple[str, ...]) -> None:
        super().__init__()
        width = options.width
        self.n_heads = options.n_heads
        self.norm_tokens = nn.ModuleDict({name: nn.LayerNorm(width, 1e-6) for name in norms})
        self.qkv = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.norm_mlp = nn.ModuleDict({name: nn.LayerNorm(width, 1e-6) for name in norms})
        self.mlp = Mlp(width, 4 * width)
        self.path = SkippedPath(options.drop_path)

    def forward(self, tokens: Tensor, norm: str) -> Tensor:
        parts = self.qkv(self.norm_tokens[norm](tokens)).unflatten(-1, (3, self.n_heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        looked = scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        tokens = tokens + self.path(self.merge(looked))
        return tokens + self.path(self.mlp(self.norm_mlp[norm](tokens)))


class Decoder(nn.Module):
    """Tokens that are left (R, K, D) of both senses -> numbers of all their patches."""

    def __init__(self, options: Options, n_numbers: dict[str, int], n_tokens: dict[str, int]):
        super().__init__()
        width, sizes = options.decoder_width, (options.decoder_heads, 0.0)
        self.narrow = nn.Linear(options.width, width)
        self.filler = nn.Parameter(0.02 * torch.randn(width))
        self.n_tokens = n_tokens
        self.places = nn.ParameterDict(
            {sense: nn.Parameter(0.02 * torch.randn(n, width)) for sense, n in n_tokens.items()}
        )
        layers = range(options.decoder_layers)
        self.layers = nn.ModuleList(Attend(width, *sizes, "self") for _ in layers)
        self.norm = nn.LayerNorm(width)
        self.out = nn.ModuleDict({sense: nn.Linear(width, n) for sense, n in n_numbers.items()})

    def forward(self, left: dict[str, Tensor], kept: dict[str, Tensor]) -> dict[str, Tensor]:
        full = {
            sense: put_back(self.narrow(tokens), kept[sense], self.filler, self.n_tokens[sense])
            + self.places[sense]
            for sense, tokens in left.items()
        }
        tokens = torch.cat(list(full.values()), dim=1)
        there = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        for layer in self.layers:
            tokens = layer(tokens, tokens, there)
        parts = self.norm(tokens).split([self.n_tokens[sense] for sense in full], dim=1)
        return {sense: self.out[sense](part) for sense, part in zip(full, parts, strict=True)}


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.own_norms = options.compat == "released"
        names = SENSES if self.own_norms else (BOTH,)
        self.patches = nn.ModuleDict(
            {
                "audio": Patches(
                    options.audio_stream, options.audio_shape, options.audio_patch, width
                ),
                "visual": Patches(
                    options.visual_stream, options.visual_shape, options.visual_patch, width
                ),
            }
        )
        self.blocks = nn.ModuleList(SharedBlock(options, names) for _ in range(options.n_layers))
        self.norm = nn.ModuleDict({name: nn.LayerNorm(width, 1e-6) for name in names})
        self.joint = nn.ModuleList(
            SharedBlock(options, (BOTH,)) for _ in range(options.joint_layers)
        )
        self.joint_norm = nn.LayerNorm(width, 1e-6)
        self.pretraining = Decoder(
            options,
            {sense: patches.n_numbers for sense, patches in self.patches.items()},
            {sense: patches.n_tokens for sense, patches in self.patches.items()},
        )
        self.question = QuestionLSTM(options.n_words, width)
        self.when = nn.ModuleDict(
            {
                name: QuestionPooling(width, options.n_heads, options.dropout)
                for name in (*SENSES, BOTH)
            }
        )
        self.fusion = nn.Linear(width, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        rows, valid = batch.clip_of, batch.seconds
        read = {
            sense: self.read(sense, self._pieces(batch, sense).flatten(0, 1)) for sense in SENSES
        }
        vectors = {sense: self.norm[self._norm(sense)](read[sense]).mean(1) for sense in SENSES}
        vectors[BOTH] = self.together(read).mean(1)
        question = self.question(batch.words)
        counted = self._counted(question)
        found, shares = torch.zeros_like(question), []
        for name, vector in vectors.items():
            seconds = vector.unflatten(0, valid.shape)
            answer, weights = self.when[name](question, seconds[rows], valid[rows])
            found = found + counted[name][:, None] * answer
            shares.append(weights)
        logits = self.answer(torch.tanh(self.fusion(torch.tanh(found)) * question))
        return Output(logits, evidence={"time": torch.stack(shares).mean(0)})

    def read(self, sense: str, pieces: Tensor, kept: Tensor | None = None) -> Tensor:
        """Tokens (R, K, D) of `pieces` (R, N, numbers), of the `kept` ones (R, K) or all."""
        tokens = self.patches[sense](pieces)
        tokens = tokens if kept is None else take(tokens, kept)
        if self.own_norms:
            tokens = 2 * tokens  # as released: x + norm(x) with a norm that does nothing
        for block in self.blocks:
            tokens = block(tokens, self._norm(sense))
        return tokens

    def together(self, read: dict[str, Tensor]) -> Tensor:
        """Tokens of both senses (R, N, D), read together."""
        tokens = torch.cat([read[sense] for sense in SENSES], dim=1)
        for block in self.joint:
            tokens = block(tokens, BOTH)
        return self.joint_norm(tokens)

    def stage_losses(self, stage: str, batch: Batch) -> dict[str, Tensor]:
        """Stage 'pretraining': sound and picture of a second find each other, and hidden patches.

        A clip without others has nobody to be told from.
        """
        clip, second = drawn_seconds(batch.seconds, self.options.pairs_per_clip)
        pieces = {sense: self._pieces(batch, sense)[clip, second] for sense in SENSES}
        found = {"remade": self.options.remake_weight * self.remake(pieces)}
        if len(clip) > 1:
            ways = contrast(*self.pooled(pieces), self.options.temperature)
            loss = sum(ways) / 2 if self.own_norms else ways[0]
            found["contrast"] = self.options.contrast_weight * loss
        return found

    def pooled(self, pieces: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Vectors (R, D) of either sense; each group of rows hides a share of its own."""
        step = self.options.most_hidden / self.options.hidden_steps
        vectors: dict[str, list[Tensor]] = {sense: [] for sense in SENSES}
        n = min(self.options.groups, len(pieces["audio"]))
        for sense in SENSES:
            for group in pieces[sense].chunk(n):
                hidden = step * int(torch.randint(self.options.hidden_steps + 1, ()))
                kept = left_over(len(group), group.shape[1], hidden, group.device)
                tokens = self.norm[self._norm(sense)](self.read(sense, group, kept))
                vectors[sense].append(tokens.mean(1))
        return torch.cat(vectors["audio"]), torch.cat(vectors["visual"])

    def remake(self, pieces: dict[str, Tensor]) -> Tensor:
        """Error of the patches that were hidden and made again, the sum of both senses."""
        hidden = self.options.remade_hidden
        kept = {s: left_over(len(p), p.shape[1], hidden, p.device) for s, p in pieces.items()}
        left = {sense: self.read(sense, pieces[sense], kept[sense]) for sense in SENSES}
        sizes = [kept[sense].shape[1] for sense in SENSES]
        both = dict(zip(SENSES, self.together(left).split(sizes, dim=1), strict=True))
        made = self.pretraining(both, kept)
        losses = [
            remaking_loss(made[s], pieces[s], ~is_kept(kept[s], pieces[s].shape[1])) for s in SENSES
        ]
        return torch.stack(losses).sum()

    def _pieces(self, batch: Batch, sense: str) -> Tensor:
        """Patches (C, T, N, numbers)."""
        names = {"audio": self.options.audio_stream, "visual": self.options.visual_stream}
        rows = batch.streams[names[sense]]
        return self.patches[sense].pieces(rows.flatten(0, 1)).unflatten(0, rows.shape[:2])

    def _norm(self, sense: str) -> str:
        return sense if self.own_norms else BOTH

    def _counted(self, question: Tensor) -> dict[str, Tensor]:
        """Which vectors each question (B,) is answered from: all, or while training one sense."""
        one = question.new_ones(len(question))
        if not self.training or not self.options.one_sense:
            return dict.fromkeys((*SENSES, BOTH), one)
        drawn = torch.rand(2, len(question), device=question.device)
        alone = drawn[0] < self.options.one_sense
        counted = {
            "audio": ~alone | (drawn[1] < 0.5),
            "visual": ~alone | (drawn[1] >= 0.5),
            BOTH: ~alone,
        }
        return {name: kept.to(question.dtype) for name, kept in counted.items()}


RECIPES = {
    "default": USUAL,
    "music_avqa": Recipe(
        epochs=20, batch_clips=64, learning_rate=5e-5, optimizer="adam", schedule="step",
        step_epochs=1, step_factor=0.75, max_questions_per_clip=1,
    ),
}  # fmt: skip
"""The released fine-tuning on VGGSound (there from the second epoch on, heads 10 times faster)."""

STAGES = {
    "pretraining": {
        "default": Recipe(
            epochs=10, batch_clips=16, learning_rate=3e-4, weight_decay=0.01, warmup_epochs=1,
            gradient_clip=1.0, max_questions_per_clip=1,
        ),
        "music_avqa": Recipe(
            epochs=25, batch_clips=64, learning_rate=1e-4, optimizer="adam", schedule="step",
            step_epochs=5, step_factor=0.5, max_questions_per_clip=1,
        ),
    },
}  # fmt: skip
"""The paper's rate; released: 2e-4, halved every five epochs from the tenth on, of 25."""

_INSIDE = (
    ("norm1_a.", "norm_tokens.audio."), ("norm1_v.", "norm_tokens.visual."),
    ("norm2_a.", "norm_mlp.audio."), ("norm2_v.", "norm_mlp.visual."),
    ("attn.qkv.", "qkv."), ("attn.proj.", "merge."),
    ("mlp.fc1.", "mlp.inner."), ("mlp.fc2.", "mlp.outer."),
)  # fmt: skip

OFFICIAL_KEYS = {
    f"vit_base.blocks.{layer}.{theirs}": f"blocks.{layer}.{ours}"
    for layer in range(24)
    for theirs, ours in _INSIDE
} | {
    f"mm_layer_{number}.{theirs}": f"joint.{number - 1}.{ours}"
    for number in (1, 2)
    for theirs, ours in (
        ("norm1.", f"norm_tokens.{BOTH}."), ("norm2.", f"norm_mlp.{BOTH}."), *_INSIDE[4:],
    )
} | {
    "vit_base.patch_embed.proj.": "patches.visual.embed.",
    "vit_base.patch_embed_a.proj.": "patches.audio.embed.",
    "vit_base.pos_embed_a": "patches.audio.places",
    "vit_base.pos_embed": "patches.visual.places",
    "vit_base.norm_a.": "norm.audio.",
    "vit_base.norm.": "norm.visual.",
}  # fmt: skip

DEAD_KEYS = (
    "vit_base.cls_token", "vit_base.head.", "my_patch_embed", "my_blocks.", "mlp_head", "decoder",
    *(f"vit_base.blocks.{layer}.{norm}." for layer in range(24) for norm in ("norm1", "norm2")),
    *(f"mm_layer_{n}.{norm}_{sense}." for n in (1, 2) for norm in ("norm1", "norm2")
      for sense in "av"),
)  # fmt: skip
"""Copies, heads of other tasks, and norms that no tokens of a block go through."""

OWN_PARTS = ("joint_norm.", "pretraining.", "question.", "when.", "fusion.", "answer.")
"""What official weights do not fill here."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convolutions as linear layers, places without the class token and by time, then by band."""
    adapted = dict(state)
    for key, tensor in state.items():
        if ".patch_embed" in key and key.endswith("weight"):
            adapted[key] = _turned(tensor).flatten(1) if "_embed_a" in key else tensor.flatten(1)
        elif key == "vit_base.pos_embed":
            adapted[key] = tensor[0, 1:]
        elif key == "vit_base.pos_embed_a":
            n_bands = PUBLISHED.audio_shape[2] // PUBLISHED.audio_patch[1]
            adapted[key] = tensor[0].unflatten(0, (n_bands, -1)).transpose(0, 1).flatten(0, 1)
    return adapted


def _turned(kernel: Tensor) -> Tensor:
    """A kernel (D, 1, bands, frames) for spectra whose rows are frames, as ours are."""
    return kernel.transpose(2, 3)
