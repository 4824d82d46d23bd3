"""Towers of shifted windows: Swin-V2 for pictures, HTS-AT for log-mel; transformers' networks.

Liu et al. 2022, Swin Transformer V2 (norm behind each half); Chen et al. 2022, HTS-AT (norm before
it). Sizes by name; 'tiny' ones are for tests and for a look at a method without weights.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from musicavqa.backbones.tower import Place, Tower
from musicavqa.backbones.windows import within_windows

PICTURES: dict[str, dict[str, Any]] = {
    "swin_v2_l": {
        "image_size": 192, "embed_dim": 192, "depths": (2, 2, 18, 2), "num_heads": (6, 12, 24, 48),
        "window_size": 12, "pretrained_window_sizes": (0, 0, 0, 0),
    },
    "swin_v2_t": {
        "image_size": 256, "embed_dim": 96, "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24),
        "window_size": 8, "pretrained_window_sizes": (0, 0, 0, 0),
    },
    "tiny": {
        "image_size": 32, "embed_dim": 16, "depths": (1, 3), "num_heads": (2, 4),
        "window_size": 4, "pretrained_window_sizes": (0, 0),
    },
}  # fmt: skip
SOUNDS: dict[str, dict[str, Any]] = {
    "htsat": {
        "spec_size": 256, "num_mel_bins": 64, "patch_embeds_hidden_size": 96, "hidden_size": 768,
        "depths": (2, 2, 6, 2), "num_attention_heads": (4, 8, 16, 32), "window_size": 8,
        "num_hidden_layers": 4,
    },
    "tiny": {
        "spec_size": 64, "num_mel_bins": 64, "patch_embeds_hidden_size": 8, "hidden_size": 16,
        "depths": (1, 1), "num_attention_heads": (2, 4), "window_size": 8, "num_hidden_layers": 2,
    },
}  # fmt: skip
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, where white is 1."""
WHITE = 255.0


class SwinV2Tower(Tower):
    """Pictures (N, 3, H, W) with values 0 to 255, or normalised ones -> tokens (N, P, D)."""

    def __init__(self, size: str) -> None:
        super().__init__()
        library = _transformers()
        config = library.Swinv2Config(**_lists(PICTURES[size]), drop_path_rate=0.0)
        self.network = library.Swinv2Model(config, add_pooling_layer=False)
        self.side = config.image_size
        self.stages, self.places = _places(
            self.network.encoder.layers, config.image_size // config.patch_size, config.embed_dim
        )
        self.width = self.network.num_features
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def normalised(self, pictures: Tensor) -> Tensor:
        """Pictures of any size with values 0 to 255, as the network knows them."""
        return (fitted(pictures, self.side) / WHITE - self.mean) / self.deviation

    def begin(self, inputs: Tensor) -> Tensor:
        return self.network.embeddings(inputs)[0]

    def attend(self, i: int, tokens: Tensor) -> Tensor:
        layer, side = self._layer(i), self.places[i].side
        window, shift = layer.window_size, layer.shift_size
        seen = within_windows(
            tokens, side, window, shift, lambda windows, mask: layer.attention(windows, mask)[0]
        )
        return layer.layernorm_before(seen)

    def think(self, i: int, tokens: Tensor) -> Tensor:
        layer = self._layer(i)
        return layer.layernorm_after(layer.output(layer.intermediate(tokens)))

    def after(self, i: int, tokens: Tensor) -> Tensor:
        return _merged(self, i, tokens)

    def end(self, tokens: Tensor) -> Tensor:
        return self.network.layernorm(tokens)

    def _layer(self, i: int) -> Any:
        stage, place = self.stages[i]
        return self.network.encoder.layers[stage].blocks[place]


class HtsAtTower(Tower):
    """Log-mel (N, frames, bands) in decibels -> tokens (N, P, D)."""

    def __init__(self, size: str) -> None:
        super().__init__()
        values = SOUNDS[size]
        self.network = _clap(values)
        grid = values["spec_size"] // self.network.config.patch_size
        self.stages, self.places = _places(
            self.network.layers, grid, values["patch_embeds_hidden_size"]
        )
        self.width = self.network.num_features

    def begin(self, inputs: Tensor) -> Tensor:
        network = self.network
        banded = network.batch_norm(inputs[:, None].transpose(1, 3)).transpose(1, 3)
        longest = network.spec_size * network.freq_ratio
        if banded.shape[2] > longest:  # a longer sound than the network hears
            banded = interpolate(banded, (longest, banded.shape[3]), mode="bicubic")
        return network.patch_embed(network.reshape_mel2img(banded), None)

    def attend(self, i: int, tokens: Tensor) -> Tensor:
        layer, side = self._layer(i), self.places[i].side
        window = min(layer.window_size, side)
        shift = layer.shift_size if side > window else 0
        return within_windows(
            layer.layernorm_before(tokens), side, window, shift,
            lambda windows, mask: layer.attention(windows, mask)[0],
        )  # fmt: skip

    def think(self, i: int, tokens: Tensor) -> Tensor:
        layer = self._layer(i)
        return layer.output(layer.intermediate(layer.layernorm_after(tokens)))

    def after(self, i: int, tokens: Tensor) -> Tensor:
        return _merged(self, i, tokens)

    def end(self, tokens: Tensor) -> Tensor:
        return self.network.norm(tokens)

    def _layer(self, i: int) -> Any:
        stage, place = self.stages[i]
        return self.network.layers[stage].blocks[place]


def fitted(pictures: Tensor, side: int) -> Tensor:
    """Pictures (N, 3, H, W) averaged or repeated to a square of `side`; untouched if they are."""
    return pictures if pictures.shape[2:] == (side, side) else adaptive_avg_pool2d(pictures, side)


def _places(
    stages: nn.ModuleList, side: int, width: int
) -> tuple[tuple[tuple[int, int], ...], tuple[Place, ...]]:
    numbers, places = [], []
    for number, stage in enumerate(stages):
        here = side // 2**number
        for place in range(len(stage.blocks)):
            numbers.append((number, place))
            places.append(Place(number, width * 2**number, here**2, here))
    return tuple(numbers), tuple(places)


def _merged(tower: Any, i: int, tokens: Tensor) -> Tensor:
    """Tokens of the next stage behind the last block of one."""
    stage, place = tower.stages[i]
    layers = getattr(tower.network, "encoder", tower.network).layers[stage]
    if place + 1 < len(layers.blocks) or layers.downsample is None:
        return tokens
    side = math.isqrt(tokens.shape[1])
    return layers.downsample(tokens, (side, side))


def _clap(values: dict[str, Any]) -> Any:
    _transformers()
    from transformers import ClapAudioConfig
    from transformers.models.clap.modeling_clap import ClapAudioEncoder

    return ClapAudioEncoder(ClapAudioConfig(**_lists(values), enable_fusion=False))


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}


def _transformers() -> Any:
    try:
        import transformers as library
    except ImportError as error:
        raise ImportError("This needs transformers: pip install 'musicavqa[encoders]'") from error
    return library
