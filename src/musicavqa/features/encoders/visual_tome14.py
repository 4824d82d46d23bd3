"""Merged patches: 14 tokens of 1024 numbers a second, the class token first.

ViT-L/16 at 384 pixels (Dosovitskiy et al. 2021, AugReg weights) in which each of the first 23
layers merges up to 25 tokens (Bolya et al. 2023): 577 become 27 after 22 layers, and of these the
23rd can merge 13. The patch stream of TSPM and QA-TIGER; TSPM's file holds ten of the seconds only.
Shorter side to 438, the middle 384, Pillow's bicubic filter, mean and deviation one half.
"""

from __future__ import annotations

from pathlib import Path

from musicavqa.backbones.merging import n_merged
from musicavqa.backbones.transformer import PictureTower, Sizes
from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.checkpoints import load_into, read_state
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import HALF, PictureEncoder, fits, frozen
from musicavqa.features.encoders.weights import weight_file
from musicavqa.media import Pictures

MERGES, HEAD_WIDTH, SIDE, EPS = 25, 64, 384, 1e-6

SPEC = Spec(
    name="visual_tome14",
    stream="visual_tome14",
    shape=(14, 1024),
    reads=(Pictures(size=(438, 438), fit="crop", filter="pil_bicubic"),),
    sees_s=0,
    weights=("vit_l16_384",),
    licence="Apache-2.0",
)


def load(device: str = "cpu") -> PictureEncoder:
    """The network with timm's weights."""
    path = weight_file("vit_l16_384")
    tower = frozen(load_tower(path), device)
    merges = schedule(len(tower.blocks))
    n_tokens = tower.pos_embed.shape[1]
    for r in merges:
        n_tokens -= n_merged(n_tokens, r)
    fits(SPEC, (n_tokens, tower.pos_embed.shape[2]), path)
    return PictureEncoder(
        SPEC, lambda pixels: tower.merged(pixels, merges)[0], HALF, device, side=SIDE, batch=4
    )


def schedule(n_layers: int) -> tuple[int, ...]:
    """Merges wanted in each layer: the same in all but the last, which merges none."""
    return (MERGES,) * (n_layers - 1) + (0,)


def load_tower(path: Path) -> PictureTower:
    """The tower from a file in timm's layout, of any size; the classifier is left out."""
    state = read_state(path)
    try:
        n_tokens, width = state["pos_embed"].shape[1:]
        sizes = Sizes(
            width,
            len({key.split(".")[1] for key in state if key.startswith("blocks.")}),
            max(1, width // HEAD_WIDTH),
            len(state["blocks.0.mlp.fc1.bias"]),
            EPS,
        )
        side = state["patch_embed.proj.weight"].shape[-1]
    except KeyError as error:
        raise WeightError(
            f"{path.name} is no vision transformer of timm: it lacks {error}."
        ) from error
    tower = PictureTower(sizes, side, n_tokens, norm_first=False, bias=True)
    load_into(tower, state, path, ("head.",))
    return tower
