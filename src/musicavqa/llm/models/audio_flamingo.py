"""Audio Flamingo: a language model attends to windows of sound through gates that begin closed.

Kong et al. 2024 (ICML, arXiv 2402.01831), the first version. CLAP gives one vector for every window
of 7 s, a window every 1.75 s, 16 at most (33.25 s); three layers of self-attention follow. Before
each block of OPT a gated cross-attention (Alayrac et al. 2022, Flamingo, eq. 1) lets every word
attend to the windows: y + tanh(a) * attention(y, windows), then y + tanh(b) * feed-forward(y).
Gates are zero at first, so the language model begins as it was.

It hears and does not see. Its successors, Audio Flamingo 3 and Music Flamingo, are in transformers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Prompt
from musicavqa.llm.layers.speaking import Speaking
from musicavqa.llm.layers.towers import build
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="Audio Flamingo: a novel audio language model with few-shot learning and dialogue"
    " abilities",
    system="Audio Flamingo",
    year=2024,
    venue="ICML",
    senses="A",
    tier="re-implemented architecture",
    checked="closed gates leave the language model as it is, the gate by its equation",
    missing="published weights; its front end at 44.1 kHz (16 kHz here); examples fetched as shots",
    licence="MIT; weights not for commerce",
    trained_on="questions about sound, in both stages of training",
)


@dataclass(frozen=True)
class Options:
    """Defaults are the published sizes, OPT-IML-MAX-1.3B's among them."""

    sound: Mapping[str, Any] = field(default_factory=lambda: {"enable_fusion": False})
    """Of CLAP's audio tower; defaults are HTSAT's."""
    language: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 2048, "ffn_dim": 8192, "num_hidden_layers": 24,
            "num_attention_heads": 32, "word_embed_proj_dim": 2048,
        }
    )  # fmt: skip
    """Of OPT."""
    end: int = 2
    windows: int = 16
    window_frames: int = 700
    """Of 10 ms."""
    hop_frames: int = 175
    bands: int = 64
    heard_width: int = 1024
    """Of a window's vector."""
    layers: int = 3
    heads: int = 8
    inner: int = 2048
    """Of the feed-forwards over windows."""
    head_width: int = 64
    """Of the heads of the gated attention."""


TINY = Options(
    sound={
        "enable_fusion": False, "spec_size": 32, "num_mel_bins": 16, "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2],
        "window_size": 2, "hidden_size": 32, "num_hidden_layers": 2, "drop_path_rate": 0.0,
    },
    language={
        "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "word_embed_proj_dim": 32, "vocab_size": 400, "max_position_embeddings": 128,
        "dropout": 0.0,
    },
    windows=3, window_frames=64, hop_frames=32, bands=16, heard_width=32, layers=1, heads=2,
    inner=64, head_width=16,
)  # fmt: skip


def wanted(options: Options) -> Wanted:
    """What of a clip it hears; a polite wish before the question, in our words."""
    ear = Listening(
        options.windows, options.window_frames, options.bands, choice="start",
        hop=options.hop_frames, fill="silence",
    )  # fmt: skip
    return Wanted(None, ear, "Please answer this question about what you hear: ", "\nAnswer:\n")


class Heard:
    """What the gates attend to while a clip is read; set anew for every clip."""

    def __init__(self) -> None:
        self.windows: Tensor | None = None


class Gated(nn.Module):
    """A block of the language model with a gated cross-attention before it."""

    def __init__(self, block: nn.Module, width: int, options: Options, heard: Heard) -> None:
        super().__init__()
        self.block, self.heard, self.heads = block, heard, options.heads
        inner = options.heads * options.head_width
        self.norm, self.norm_inner = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query = nn.Linear(width, inner, bias=False)
        self.key_value = nn.Linear(options.heard_width, 2 * inner, bias=False)
        self.out = nn.Linear(inner, width, bias=False)
        self.forth = nn.Sequential(
            nn.Linear(width, 4 * width, bias=False), nn.GELU(),
            nn.Linear(4 * width, width, bias=False),
        )  # fmt: skip
        self.gate, self.gate_inner = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.heard.windows is not None:
            y, windows = hidden_states, self.heard.windows
            windows = windows.expand(len(y), -1, -1)
            y = y + self.gate.tanh() * self._attend(self.norm(y), windows)
            hidden_states = y + self.gate_inner.tanh() * self.forth(self.norm_inner(y))
        return self.block(hidden_states, *args, **kwargs)

    def _attend(self, y: Tensor, windows: Tensor) -> Tensor:
        query, key, value = (
            x.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for x in (self.query(y), *self.key_value(windows).chunk(2, -1))
        )
        found = functional.scaled_dot_product_attention(query, key, value)
        return self.out(found.transpose(1, 2).flatten(2))


class Model(Speaking):
    """CLAP, self-attention over windows, and OPT with gates."""

    frozen = ("ear",)

    def __init__(self, options: Options) -> None:
        super().__init__("opt", options.language, options.end)
        self.options, self.heard = options, Heard()
        self.ear = build("htsat", options.sound)
        self.widen = nn.Linear(self.ear.audio_encoder.num_features, options.heard_width)
        layer = nn.TransformerEncoderLayer(
            options.heard_width, options.heads, options.inner, 0.0, batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.between = nn.TransformerEncoder(layer, options.layers, enable_nested_tensor=False)
        decoder = self.language.model.decoder
        decoder.layers = nn.ModuleList(
            Gated(block, self.width, options, self.heard) for block in decoder.layers
        )

    def fronts(self, clips: ClipTensors, prompts: Sequence[Prompt]) -> list[Tensor]:
        """Words alone; windows count as tokens read though they stand in no sequence."""
        found = super().fronts(clips, prompts)
        self.read = {} if self.heard.windows is None else {"sound": self.heard.windows.shape[1]}
        return found

    def media(self, clips: ClipTensors, questions: Sequence[Tensor]) -> dict[str, Tensor]:
        """Nothing stands in the sequence: the windows are attended to."""
        self.heard.windows = None
        if clips.sound is not None:
            vectors = self.ear(clips.sound.flatten(0, 1)[:, None]).pooler_output
            windows = self.widen(vectors).unflatten(0, clips.sound.shape[:2])
            self.heard.windows = self.between(windows)
        return {}
