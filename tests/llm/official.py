"""What official processors make of our pictures and sounds, for tests/goldens/llm_packing.json.

Written by  python tests/llm/official.py  where torchvision is; where torch is for CPUs alone, a
part of it is declared first, as it looks for kernels that nothing here needs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parents[1] / "goldens" / "llm_packing.json"
PICTURES = [(3, 60, 90, 14), (4, 120, 213, 14), (5, 90, 60, 16)]
"""Pictures, height, width, patch."""
LAYOUTS = [(4, 1.0, 4.0), (6, 2.0, 3.3), (4, 0.5, 9.0), (3, 1.0, 0.4)]
"""Pictures, a second, and seconds of sound."""
OMNI = ("qwen2_5_omni_thinker", "qwen3_omni_moe_thinker")


def declare_kernels() -> None:
    """What `import torchvision` looks for and a torch without CUDA lacks."""
    import torch

    if not hasattr(torch.ops.torchvision, "nms"):
        kernels = torch.library.Library("torchvision", "DEF")
        kernels.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        kernels.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        declare_kernels.kept = kernels  # type: ignore[attr-defined]


def drawn(n: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def looked(pictures: np.ndarray, patch: int, least: int, most: int) -> tuple[Any, list[int]]:
    """Patches and grid by the official processor."""
    from transformers import Qwen2VLVideoProcessor

    told = Qwen2VLVideoProcessor(patch_size=patch)(
        videos=[pictures], size={"shortest_edge": least, "longest_edge": most},
        return_tensors="pt", do_sample_frames=False, cap_pixels_per_frame=False,
    )  # fmt: skip
    return told["pixel_values_videos"], told["video_grid_thw"][0].tolist()


def processor(kind: str) -> Any:
    """The official processor of an Omni model around our tokenizer and extractor."""
    import transformers as t

    from tiny_models import extractor, tokenizer

    words = tokenizer(kind)
    old = kind == OMNI[0]
    names = {
        "image_token": "<|IMAGE|>" if old else "<|image_pad|>",
        "audio_token": "<|AUDIO|>" if old else "<|audio_pad|>",
        "video_token": "<|VIDEO|>" if old else "<|video_pad|>",
        "vision_bos_token": "<|vision_bos|>" if old else "<|vision_start|>",
        "vision_eos_token": "<|vision_eos|>" if old else "<|vision_end|>",
        "audio_bos_token": "<|audio_bos|>" if old else "<|audio_start|>",
        "audio_eos_token": "<|audio_eos|>" if old else "<|audio_end|>",
    }
    for name, mark in names.items():
        setattr(words, name, mark)
        if name in ("image_token", "audio_token", "video_token"):
            setattr(words, f"{name}_id", words.convert_tokens_to_ids(mark))
    made = t.Qwen2_5OmniProcessor if old else t.Qwen3OmniMoeProcessor
    size = 14 if old else 16
    return made(
        t.Qwen2VLImageProcessor(patch_size=size), t.Qwen2VLVideoProcessor(patch_size=size),
        extractor(kind), words,
    )  # fmt: skip


def laid_out(kind: str, n: int, rate: float, seconds: float) -> tuple[list[int], Any]:
    """Ids of the media block with pictures and sound interleaved, and all that is made."""
    made = processor(kind)
    old = kind == OMNI[0]
    block = "<|vision_bos|><|VIDEO|><|vision_eos|>" if old else (
        "<|vision_start|><|video_pad|><|vision_end|>"
    )  # fmt: skip
    unit = 28 if old else 32
    told = made(
        text=[block], videos=[drawn(n, 56, 84)], audio=[sound(seconds)],
        load_audio_from_video=True, audio_from_video_indices=[0], return_tensors="pt",
        videos_kwargs={
            "fps": rate, "size": {"shortest_edge": unit**2, "longest_edge": 16 * unit**2},
            "do_sample_frames": False, "cap_pixels_per_frame": False,
        },
    )  # fmt: skip
    return told["input_ids"][0].tolist(), told


def sound(seconds: float) -> np.ndarray:
    draw = np.random.default_rng(3)
    return (0.1 * draw.standard_normal(round(16000 * seconds))).astype(np.float32)


def runs_of(ids: list[int]) -> list[list[int]]:
    """[id, how often] in turn."""
    from itertools import groupby

    return [[token, len(list(run))] for token, run in groupby(ids)]


def main() -> None:
    declare_kernels()
    import transformers

    found: dict[str, Any] = {
        "made by": f"transformers {transformers.__version__}, tests/llm/official.py"
    }
    found["pictures"] = []
    for n, height, width, patch in PICTURES:
        least, most = 4 * (2 * patch) ** 2, 16 * (2 * patch) ** 2
        values, grid = looked(drawn(n, height, width), patch, least, most)
        some = values.flatten()[:: max(1, values.numel() // 40)].tolist()
        found["pictures"].append(
            {"grid": grid, "some": some, "mean": float(values.double().mean())}
        )
    found["layouts"] = {
        kind: [runs_of(laid_out(kind, *how)[0]) for how in LAYOUTS] for kind in OMNI
    }
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
