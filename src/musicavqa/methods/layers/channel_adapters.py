"""The adapters that Amuse's release has in place of the paper's attention between streams.

Read in xid32/Amuse_code (commit 67e53ea, iwla/models.py: CAL, CAL_weak_label, CAL_yolo), which is
the code of a later stage of the model. Nothing is projected and nothing is scaled: two streams are
compared as they are, channel with channel or token with token.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from musicavqa.methods.layers.question_towers import N_WORDS_READ


class Adapter(nn.Module):
    """What tokens (R, N, D) become once others (R, N, D) have told them, to be added to a stream.

    `between` channels, the shares say which of the D channels of the others each channel reads;
    between tokens, which tokens. The gate is 0 at first: then nothing is told, but the stream's own
    tokens still pass through norm, ReLU and the last layer.
    """

    def __init__(self, width: int, between: Literal["channels", "tokens"]) -> None:
        super().__init__()
        self.between = between
        self.gate = nn.Parameter(torch.zeros(1))
        self.norm = nn.LayerNorm(width)
        self.batch_norm = nn.BatchNorm1d(width)
        self.mix = nn.Linear(width, width, bias=False)

    def forward(self, tokens: Tensor, told: Tensor) -> Tensor:
        """tokens (R, N, D), told (R, N, D), or (R, M, D) between tokens -> (R, N, D)."""
        if self.between == "channels":
            shares = (tokens.transpose(1, 2) @ told).softmax(-1)  # (R, D, D)
            found = told @ shares.transpose(1, 2)
        else:
            found = (tokens @ told.transpose(1, 2)).softmax(-1) @ told
        inside = torch.relu(self.norm(tokens + self.gate * found))
        return self.mix(self.batch_norm(inside.flatten(0, 1)).view_as(inside))


class WordsAs(nn.Module):
    """The words (R, 14, D) of questions mapped along the words to at most `most` tokens."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.map = nn.Linear(N_WORDS_READ, most, bias=False)

    def forward(self, words: Tensor, n_tokens: int | None = None) -> Tensor:
        """Tokens (R, n_tokens, D); as many as there can be where nothing is asked."""
        return torch.einsum("nw,rwd->rnd", self.map.weight[:n_tokens], words)


class WordsAsOne(nn.Module):
    """One token (R, 1, width) of the words (R, 14, D): the mean of each word, mapped along them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(N_WORDS_READ, width, bias=False)

    def forward(self, words: Tensor) -> Tensor:
        return self.map(words.mean(-1))[:, None]


class SecondsTold(nn.Module):
    """Sound and pictures of each second told by the question, then by each other.

    A row is a second, as it is a frame in the release; a second's one token of sound stands beside
    each of its places. The question is told nothing, as there. Each second takes width x width
    shares for every adapter.
    """

    def __init__(self, width: int, most_places: int) -> None:
        super().__init__()
        self.words = nn.ModuleList(WordsAs(most_places) for _ in range(2))
        self.asked = nn.ModuleList(Adapter(width, "channels") for _ in range(2))
        self.other = nn.ModuleList(Adapter(width, "channels") for _ in range(2))

    def forward(self, streams: list[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """Tokens (R, N, D) of sound, pictures and words, and which are there (R, N)."""
        (audio, valid), (pixels, seen), (words, _) = streams
        by_second = pixels.unflatten(1, (audio.shape[1], -1))  # (R, T, P, D)
        n_places = by_second.shape[2]
        row = valid.nonzero()[:, 0]  # of each second that is there
        ear = audio[valid][:, None].expand(-1, n_places, -1)  # (V, P, D)
        eye = by_second[valid]
        asking = [part(words, n_places)[row] for part in self.words]
        ear, eye = ear + self.asked[0](ear, asking[0]), eye + self.asked[1](eye, asking[1])
        ear, eye = ear + self.other[0](ear, eye), eye + self.other[1](eye, ear)
        heard = audio.index_put((valid,), ear.mean(1))
        pictures = by_second.index_put((valid,), eye).flatten(1, 2)
        return [(heard, valid), (pictures, seen), streams[2]]
