"""Which files the official programs read: folder, file of a clip, shape.

Facts seen in their data loaders (`source` says where). Folders are their defaults, below a folder
that their options name. All arrays are float32, one file per clip, rows at one a second, unless
said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Part:
    """One folder of a layout: `<folder>/<clip>.npy`, (rows, *shape)."""

    folder: str
    stream: str
    """Ours."""
    shape: tuple[int, ...]
    """Of a row, as published."""
    option: str
    """What the official program calls this folder."""


@dataclass(frozen=True)
class Clips:
    """HCRN's clip hierarchy in two HDF5 files: `ids` (N,) and one array of all clips."""

    appearance: str
    """Stream of (n_clips * n_frames) pictures; data set 'resnet_features' (N, clips, frames, D)."""
    motion: str
    """Stream whose mean over each clip is the data set 'resnext_features' (N, clips, D)."""
    n_clips: int = 5
    n_frames: int = 12


@dataclass(frozen=True)
class Layout:
    """What one official program reads of the clips."""

    name: str
    source: str
    parts: tuple[Part, ...] = ()
    hierarchy: Clips | None = None
    n_rows: int = 60
    """Their loaders stack clips, so all must have so many rows."""


VGGISH = Part("vggish", "audio_vggish", (128,), "--audio_dir / --audios_feat_dir")
CLIP_L14 = ("visual_clip_l14_336", (768,))
MERGED = ("visual_tome14", (14, 1024))

LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(
            "avst",
            "GeWu-Lab/MUSIC-AVQA net_grd_avst/dataloader_avst.py: every sixth row of both is read, "
            "and any row of other clips' maps as negatives",
            (
                VGGISH,
                Part("res18_14x14", "visual_resnet18_map", (512, 14, 14), "--video_res14x14_dir"),
            ),
        ),
        Layout(
            "pstp_net",
            "GeWu-Lab/PSTP-Net dataloader.py: token 0 is the frame, tokens 1 to 49 are the patches",
            (
                VGGISH,
                Part(
                    "clip_patch-level_vit_b32",
                    "visual_clip_b32_patches",
                    (50, 512),
                    "--clip_vit_b32_dir",
                ),
            ),
        ),
        Layout(
            "tspm",
            "GeWu-Lab/TSPM dataloader.py; it also wants ToMe_feat/audio_tome14, which its network "
            "does not use: give the folder of the pictures twice",
            (
                VGGISH,
                Part("clip_feats/frame_1fps_ViT-L14@336px", *CLIP_L14, "--visual_feat_dir"),
                Part("ToMe_feat/tome14", *MERGED, "--visual_patch_dir"),
            ),
        ),
        Layout(
            "qa_tiger",
            "FightSH/QA-TIGER src/dataset.py and configs/qa_tiger/vitl14.py",
            (
                Part("vggish", "audio_vggish", (128,), "data.audio_feat"),
                Part("clip_feat", *CLIP_L14, "data.video_feat"),
                Part("tome_feat", *MERGED, "data.patch_feat"),
            ),
        ),
        Layout(
            "hcrn",
            "thaolmk54/hcrn-videoqa DataLoader.py; 5 clips of 12 frames are our choice, and ids "
            "must be whole numbers",
            hierarchy=Clips("visual_resnet18", "audio_vggish"),
        ),
    )
}


def layout(name: str) -> Layout:
    """The layout of this name; ValueError with near matches."""
    if name not in LAYOUTS:
        near = get_close_matches(name, LAYOUTS, n=2, cutoff=0.5) or list(LAYOUTS)
        raise ValueError(f"There is no layout {name!r}. Did you mean {' or '.join(near)}?")
    return LAYOUTS[name]


def published_shape(stream: str) -> tuple[int, ...] | None:
    """Shape of a row of this stream as published, None where no layout has it."""
    parts = (part for known in LAYOUTS.values() for part in known.parts)
    return next((part.shape for part in parts if part.stream == stream), None)
