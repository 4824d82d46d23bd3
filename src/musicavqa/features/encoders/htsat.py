"""HTS-AT from its authors' checkpoint, through transformers' ClapAudioModel, which is that network.

Chen et al. 2022, HTS-AT: A Hierarchical Token-Semantic Audio Transformer. Front end: 32 kHz, frames
of 1024 samples every 320, mirrored at the ends, power, 64 Slaney mel bands from 50 to 14000 Hz, in
decibels above 1e-10; a batch norm per band is the first layer. Sizes are those of the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from musicavqa.backbones.names import htsat_names
from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.checkpoints import load_into
from musicavqa.features.encoders.mel import magnitudes, mel_matrix
from musicavqa.features.encoders.nested import read_nested, tensors_of

RATE_HZ, WINDOW, HOP, RANGE_HZ, FLOOR = 32000, 1024, 320, (50.0, 14000.0), 1e-10
SIDES = 4  # the square picture is the spectrum cut in four, one below the other
LIGHTNING = "sed_model."


class LastTokens(nn.Module):
    """Log-mel (B, frames, bands) -> the mean of the normalised last tokens (B, D)."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, spectra: Tensor) -> Tensor:
        return self.encoder(spectra[:, None]).pooler_output


def log_mel(windows: np.ndarray, n_bands: int) -> np.ndarray:
    """(w, frames, bands) float32 decibels of mono windows at 32 kHz; frames are centred."""
    side = WINDOW // 2
    heard = np.pad(windows.astype(np.float32), ((0, 0), (side, side)), mode="reflect")
    power = np.square(magnitudes(heard, WINDOW, HOP, WINDOW))
    filters = mel_matrix(RATE_HZ, WINDOW, n_bands, RANGE_HZ, "slaney")
    return 10 * np.log10(np.maximum(power @ filters, FLOOR))


def load_htsat(path: Path) -> LastTokens:
    """The network of an original checkpoint (Lightning's or plain), without its classifier."""
    try:
        from transformers import ClapAudioConfig
        from transformers.models.clap.modeling_clap import ClapAudioEncoder
    except ImportError as error:
        raise ImportError("This needs transformers: pip install 'musicavqa[encoders]'") from error

    official = tensors_of(read_nested(path), path)
    official = {key.removeprefix(LIGHTNING): tensor for key, tensor in official.items()}
    try:
        config = ClapAudioConfig(**sizes(official))
    except KeyError as error:
        raise WeightError(f"{path.name} is no HTS-AT that we know: it lacks {error}.") from error
    network = LastTokens(ClapAudioEncoder(config))
    state = {f"encoder.{key}": tensor for key, tensor in htsat_names(official).items()}
    for key, tensor in network.state_dict().items():
        if key.endswith("relative_position_index"):
            state[key] = tensor  # reckoned, not learnt
    load_into(network, state, path)
    return network


def sizes(official: Mapping[str, Tensor]) -> dict[str, Any]:
    """transformers' names for what the shapes tell."""
    bands, patch = len(official["bn0.weight"]), official["patch_embed.proj.weight"].shape[-1]
    width = len(official["patch_embed.proj.weight"])
    stages, depths = 1 + max(_numbers(official, r"layers\.(\d+)\.")), []
    for stage in range(stages):
        depths.append(1 + max(_numbers(official, rf"layers\.{stage}\.blocks\.(\d+)\.")))
    table = "layers.{}.blocks.0.attn.relative_position_bias_table"
    n_places = len(official[table.format(0)])
    return {
        "window_size": (math.isqrt(n_places) + 1) // 2,
        "num_mel_bins": bands,
        "spec_size": bands * SIDES,
        "patch_size": patch,
        "patch_stride": [patch, patch],
        "patch_embeds_hidden_size": width,
        "hidden_size": width * 2 ** (stages - 1),
        "depths": depths,
        "num_attention_heads": [official[table.format(i)].shape[1] for i in range(stages)],
        "num_hidden_layers": stages,
        "enable_fusion": False,
    }


def _numbers(official: Mapping[str, Tensor], pattern: str) -> list[int]:
    found = [int(match[1]) for key in official if (match := re.match(pattern, key))]
    if not found:
        raise KeyError(pattern.replace("\\", ""))
    return found
