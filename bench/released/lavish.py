"""LAVisH: GenjiB/LAVISH, its folder AVQA; needs einops and timm 0.6.13.

With Swin-V2-T, as a step with the released Swin-V2-L takes minutes; `--batch 2 --seconds 2` is
enough to see.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from musicavqa.backbones.swin import fitted
from musicavqa.records import Batch
from released.contract import Released, match_loss, official_words
from released.timm_alone import TORCHVISION

SOUND, PICTURE = "audio_fbank_192", "visual_frames"
OPTIONS = types.SimpleNamespace(
    is_multimodal=1, num_tokens=32, num_conv_group=4, is_before_layernorm=1, is_post_layernorm=1,
    Adapter_downsample=8, is_bn=0, is_gate=0,
)  # fmt: skip
"""Defaults of its program, but for 16 where 8 is: that divides no width of Swin-V2-T by groups."""


def moved(network: Any, *frozen: str) -> nn.Module:
    """Its towers do not learn; gates and latents, which begin at zero, are moved to be seen."""
    for name in frozen:
        getattr(network, name).requires_grad_(False)
    for weight in network.parameters():
        if weight.requires_grad and not weight.any():
            nn.init.normal_(weight, std=0.02)
    return network


def fitting(sound: str, fit_sound: Callable[[Any, Tensor], Tensor]) -> Any:
    """Pictures and sounds (C, T, ...) of the size of our towers; others are drawn from the same."""

    def fit(ours: Any, batch: Batch) -> Batch:
        pictures = batch.streams[PICTURE]
        small = fitted(pictures.flatten(0, 1), ours.eye.tower.side)
        streams = {
            **batch.streams,
            PICTURE: small.unflatten(0, pictures.shape[:2]),
            sound: fit_sound(ours, batch.streams[sound]),
        }
        drawn = batch.negatives.changed(streams, lambda rows: rows)
        return dataclasses.replace(batch, streams=streams, negatives=drawn)

    return fit


def normalised(ours: Any, batch: Batch) -> Batch:
    """Pictures as the eye knows them."""
    tower = ours.eye.tower

    def read(pictures: Tensor) -> Tensor:
        return tower.normalised(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])

    streams = {**batch.streams, PICTURE: read(batch.streams[PICTURE])}
    return dataclasses.replace(
        batch, streams=streams, negatives={PICTURE: read(batch.negatives[PICTURE])}
    )


def ask(network: nn.Module, batch: Batch) -> Any:
    pictures, others = batch.streams[PICTURE], batch.negatives[PICTURE]
    return network(batch.streams[SOUND], pictures, others, official_words(batch))


LAVISH = Released(
    files=(("LAVISH/AVQA/net_grd_avst/net_avst.py", "net_avst"),),
    make=lambda code: moved(code.AVQA_Fusion_Net(OPTIONS), "swin"),
    ask=ask,
    batch=32,
    seconds=10,
    logits=lambda given: given[0],
    losses=match_loss,
    fit=fitting(SOUND, lambda ours, spectra: fitted(spectra, ours.eye.tower.side)),
    prepare=normalised,
    mended=(
        (
            "'swinv2_large_window12_192_22k', pretrained=True",
            "'swinv2_tiny_window8_256', pretrained=False",
        ),
        ("nn.Linear(1536, 512)", "nn.Linear(768, 512)"),
        ("h=6 ,w=6", "h=8 ,w=8"),
    ),
    standing={**TORCHVISION, "visual_net": {"resnet18": None}, "ipdb": {"set_trace": None}},
    options={"backbone": "swin_v2_t", "reduction": 8},
)
