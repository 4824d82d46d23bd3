"""What Amuse learns of music beforehand: encoders of rhythm and of sources, for either sense.

Diao et al., Learning Musical Representations for Music Performance Question Answering (EMNLP
Findings 2024), and the code that was released later (xid32/Amuse_code commit 67e53ea,
rt_module/ts_model.py: Timestamp_Feature_Encoder, bpm.py, uss_pre.py), which has other ones. Its two
networks of pictures and sound are features here. Labels: `music_labels.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from musicavqa.methods.layers.grouping import Attend
from musicavqa.methods.layers.music_labels import (
    rhythm_labels,
    segment_shares,
    source_counts,
    source_labels,
    tempo_of,
)
from musicavqa.methods.layers.seconds import picture_vectors, spread_seconds, take_seconds
from musicavqa.methods.layers.tokens import sinusoids
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Batch

SENSES = ("audio", "visual")
N_LABELS = {"rhythm": 1, "source": len(INSTRUMENTS)}
"""Of each segment, in the paper."""
RELEASED_SHARE = 0.30
RELEASED_PARTS = {"rhythm": 20, "source": 30}
"""Equal parts of a clip with one label each, as released: of 3 s and of 2 s in a minute."""
RELEASED_LAYERS, RELEASED_HEADS = 2, 2

Said = dict[str, tuple[Tensor, Tensor]]
"""'rhythm_audio' and the like -> tokens (C, N, D) and labels of one kind by one sense."""


class OneSense(nn.Module):
    """Segments (C, S, E) of one sense -> what they are read as (C, S, D), and labels (C, S, L).

    The paper's: each segment has labels of its own.
    """

    def __init__(self, width_in: int, n_labels: int, options: Any) -> None:
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


class BothSenses(nn.Module):
    """Tokens (C, N, E) of one sense -> what they are read as (C, N, D), and labels (C, L).

    The release's: two transformer layers, norms behind each half, nothing tells a token's place;
    the labels of all parts of a clip come from the mean of its tokens. All but the first layer is
    one for both senses.
    """

    def __init__(
        self, widths: Mapping[str, int], width: int, n_labels: int, dropout: float
    ) -> None:
        super().__init__()
        self.tokens = nn.ModuleDict({sense: nn.Linear(n, width) for sense, n in widths.items()})
        layer = nn.TransformerEncoderLayer(
            width, RELEASED_HEADS, 4 * width // 3, dropout, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, RELEASED_LAYERS, enable_nested_tensor=False)
        inner = width // 6
        self.labels = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, n_labels))

    def forward(self, tokens: Tensor, sense: str) -> tuple[Tensor, Tensor]:
        read = self.layers(self.tokens[sense](tokens))
        return read, self.labels(read.mean(1))


class MusicEncoders(nn.ModuleDict):
    """All of them: 'rhythm_audio' and so on, or, as released, 'rhythm' and 'source'.

    `options` are Amuse's.
    """

    def __init__(self, options: Any) -> None:
        super().__init__()
        self.options, self.released = options, options.compat == "released"
        self.kinds = ("rhythm",) * options.rhythm + ("source",) * options.sources
        widths = {"audio": options.audio_width, "visual": options.visual_width}
        for kind in self.kinds:
            if self.released:
                n_labels = RELEASED_PARTS[kind]
                self[kind] = BothSenses(widths, options.width, n_labels, options.dropout)
                continue
            for sense in SENSES:
                self[f"{kind}_{sense}"] = OneSense(widths[sense], N_LABELS[kind], options)

    @property
    def n_tokens(self) -> dict[str, int]:
        """How many tokens there are of each kind and sense."""
        options = self.options
        pictures = options.n_moments if self.released else options.n_segments
        each = {"audio": options.n_segments, "visual": pictures}
        return {f"{kind}_{sense}": each[sense] for kind in self.kinds for sense in SENSES}

    def forward(self, batch: Batch) -> Said:
        if not self.kinds:
            return {}
        tokens = self._tokens(batch)
        names = [(kind, sense) for kind in self.kinds for sense in SENSES]
        if self.released:
            return {f"{kind}_{s}": self[kind](tokens[s], s) for kind, s in names}
        return {f"{kind}_{s}": self[f"{kind}_{s}"](tokens[s]) for kind, s in names}

    def _tokens(self, batch: Batch) -> dict[str, Tensor]:
        """Segments (C, S, E) of either sense; as released, of pictures `n_moments` seconds."""
        options = self.options
        pictures = picture_vectors(batch.streams[options.visual_stream])
        audio = batch.streams[options.audio_stream]
        shares = segment_shares(batch.seconds, options.n_segments).to(audio.dtype)
        if not self.released:
            return {"audio": shares @ audio, "visual": shares @ pictures}
        seconds = spread_seconds(batch.seconds, options.n_moments)
        return {"audio": shares @ audio, "visual": take_seconds(pictures, seconds)}

    def labels(self, batch: Batch) -> dict[str, Tensor]:
        """Rhythm (C, S, 1) and sources (C, S, 22) of the clips, from the music streams.

        As released, changes of tempo (C, 20) and counts of sources (C, 30).
        """
        make = {"rhythm": self._tempo_changes, "source": self._sources}
        return {kind: make[kind](batch) for kind in self.kinds}

    def _tempo_changes(self, batch: Batch) -> Tensor:
        rows = batch.streams["music_tempo"]
        whole = tempo_of(rows, self._shares(rows, batch, 1))[:, 0]
        if self.released:
            tempo = tempo_of(rows, self._shares(rows, batch, RELEASED_PARTS["rhythm"]))
            return rhythm_labels(tempo, whole, RELEASED_SHARE, released=True)
        tempo = tempo_of(rows, self._shares(rows, batch, self.options.n_segments))
        return rhythm_labels(tempo, whole, self.options.tempo_share)[..., None]

    def _sources(self, batch: Batch) -> Tensor:
        rows, least = batch.streams["music_tags"], self.options.least_tag
        if self.released:
            return source_counts(rows, self._shares(rows, batch, RELEASED_PARTS["source"]), least)
        return source_labels(rows, self._shares(rows, batch, self.options.n_segments), least)

    @staticmethod
    def _shares(rows: Tensor, batch: Batch, n_parts: int) -> Tensor:
        return segment_shares(batch.seconds, n_parts).to(rows.dtype)

    def losses(self, batch: Batch, said: Said, weight: float) -> dict[str, Tensor]:
        """Mean squared errors of what was said, half for either sense."""
        wanted = self.labels(batch) if said else {}
        return {
            name: 0.5 * weight * mse_loss(told, wanted[name.partition("_")[0]])
            for name, (_, told) in said.items()
        }
