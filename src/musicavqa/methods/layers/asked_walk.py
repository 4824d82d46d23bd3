"""The walk of Amuse's release: one frozen network for pictures and spectra, told by a question.

Read in xid32/Amuse_code (commit 67e53ea, iwla/models.py: IWLA_Model; iwla/configs.py). Swin-V2 sees
pictures, and spectra as pictures. In each of its blocks an adapter for either sense is added behind
the attention and one behind the MLP; in the first blocks the former is told by the question, which
goes through another tower after each of them, and else by the other sense.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from musicavqa.backbones.swin import SwinV2Tower, fitted
from musicavqa.backbones.tower import Frozen, Place
from musicavqa.methods.layers.channel_adapters import Adapter, WordsAs
from musicavqa.methods.layers.question_towers import QuestionTower, TowerSizes, words_read
from musicavqa.methods.layers.seconds import spread_seconds, take_seconds
from musicavqa.records import Batch


class BlockAdapters(nn.Module):
    """What is added in one block to the tokens (2, R, N, D) of sound and of pictures.

    R are the moments of all questions. With `asked` the question tells behind the attention.
    """

    def __init__(self, place: Place, asked: bool) -> None:
        super().__init__()
        self.words = nn.ModuleList(WordsAs(place.n_tokens) for _ in range(2 * asked))
        self.attended = nn.ModuleList(Adapter(place.width, "channels") for _ in range(2))
        self.thought = nn.ModuleList(Adapter(place.width, "channels") for _ in range(2))

    def behind_attention(self, both: Tensor, question: Tensor) -> Tensor:
        """`question` (B, 14, D) tells all moments of a question the same."""
        if not len(self.words):
            return _told(self.attended, both, both.flip(0))
        n_moments = both.shape[1] // len(question)
        said = [words(question).repeat_interleave(n_moments, 0) for words in self.words]
        return _told(self.attended, both, torch.stack(said))

    def behind_thinking(self, both: Tensor) -> Tensor:
        return _told(self.thought, both, both.flip(0))


def _told(adapters: nn.ModuleList, both: Tensor, others: Tensor) -> Tensor:
    told = [adapt(*pair) for adapt, *pair in zip(adapters, both, others, strict=True)]
    return torch.stack(told)


class AskedWalk(nn.Module):
    """Spectra and pictures of `n_moments` seconds -> vectors (B, D) of both, and their gate (B, D).

    `options` are Amuse's. The network is frozen but for its norms, as released, or learns.
    """

    def __init__(self, options: Any) -> None:
        super().__init__()
        self.options = options
        self.eye = Frozen(SwinV2Tower(options.walk), learns=not options.frozen)
        for part in self.eye.modules():
            if isinstance(part, nn.LayerNorm):
                part.requires_grad_(True)
        places, n_asked = self.eye.tower.places, options.n_asked
        if not 1 <= n_asked <= len(places):
            raise ValueError(
                f"n_asked={n_asked}: the question tells from 1 to all {len(places)} blocks of "
                f"{options.walk!r}."
            )
        self.blocks = nn.ModuleList(BlockAdapters(p, i < n_asked) for i, p in enumerate(places))
        self.towers = _towers(options, [place.width for place in places[:n_asked]])
        inside, width = self.eye.tower.width, options.width
        self.out = nn.Identity() if inside == width else nn.Linear(inside, width)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        tower = self.eye.tower
        both = self._begin(batch)
        question = self.towers[0](words_read(batch.words))
        for i, block in enumerate(self.blocks):
            told = block.behind_attention(both, question)
            both = both + _through(tower.attend, i, both) + told
            told = block.behind_thinking(both)
            both = _through(tower.after, i, both + _through(tower.think, i, both) + told)
            if i < self.options.n_asked:
                question = self.towers[i + 1](question)
        moments = tower.end(both.flatten(0, 1)).mean(1)
        moments = self.out(moments).unflatten(0, (2, -1, self.options.n_moments))
        heard, seen = moments.mean(2)  # (B, D) each
        return heard, seen, self.towers[-1](question).mean(1)

    def _begin(self, batch: Batch) -> Tensor:
        """Tokens (2, B * moments, N, D) before the first block; those of a clip are made once."""
        options, tower = self.options, self.eye.tower
        seconds = spread_seconds(batch.seconds, options.n_moments)
        spectra, pictures = (
            take_seconds(batch.streams[name], seconds).flatten(0, 1)
            for name in (options.sound_stream, options.picture_stream)
        )
        spectra = fitted(spectra[:, None].expand(-1, 3, -1, -1), tower.side)
        tokens = tower.begin(torch.cat([spectra, tower.normalised(pictures)]))
        tokens = tokens.unflatten(0, (2, *seconds.shape))  # (2, C, moments, N, D)
        return tokens[:, batch.clip_of].flatten(1, 2)


def _through(half: Callable[[int, Tensor], Tensor], i: int, both: Tensor) -> Tensor:
    """A half of block i, which sees sound (2, ...)[0] and pictures alike."""
    return half(i, both.flatten(0, 1)).unflatten(0, both.shape[:2])


def _towers(options: Any, widths: list[int]) -> nn.ModuleList:
    """One before each block that is asked, one behind the last of them, and one to the gate."""
    word, heads, dropout = options.word_width, options.n_heads, options.dropout
    chain = [TowerSizes(*ends, word, heads, dropout) for ends in pairwise([word, *widths, word])]
    gate = TowerSizes(word, options.width, options.width, heads, dropout)
    first, *others = [*chain, gate]
    return nn.ModuleList(
        [QuestionTower(first, options.n_words), *(QuestionTower(sizes) for sizes in others)]
    )
