"""DG-SCT: haoyi-duan/DG-SCT, its folder DG-SCT/AVQA; needs einops and timm 0.6.13.

With our tiny towers in the place of Swin-V2-L and HTS-AT, with which a step takes minutes: what is
measured are the adapters and the walk. Without mixing and masking spectra.
"""

from __future__ import annotations

import types
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate

from musicavqa.backbones.swin import PICTURES, SOUNDS
from musicavqa.records import Batch
from released.contract import Released, match_loss, official_words
from released.lavish import PICTURE, fitting, moved, normalised
from released.timm_alone import TORCHVISION

SOUND = "audio_htsat_mel"
EYE, EAR = PICTURES["tiny"], SOUNDS["tiny"]
N_BANDS, N_SIDE, WIDTH = EAR["num_mel_bins"], EAR["spec_size"], 32
SWIN = (
    "timm.models.swin_transformer_v2.SwinTransformerV2(img_size={image_size}, patch_size=4, "
    "embed_dim={embed_dim}, depths={depths}, num_heads={num_heads}, window_size={window_size})"
)
OPTIONS = types.SimpleNamespace(
    is_multimodal=1, num_tokens=2, num_conv_group=2, is_before_layernorm=1, is_post_layernorm=1,
    Adapter_downsample=4, is_bn=0, is_gate=0, backbone_type="audioset",
)  # fmt: skip
"""Of its command, with a bottleneck that divides the tiny widths."""
OURS = {"backbone": "tiny", "width": WIDTH, "reduction": 4, "groups": 2}


class As(nn.Module):
    """In the place of what makes a spectrum, or masks one: gives it in a shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, given: Tensor) -> Tensor:
        return given.view(len(given), *self.shape) if self.shape else given


def standing(shape: tuple[int, ...] = ()) -> Any:
    return lambda **sizes: As(shape)


CONFIG = {
    "htsat_spec_size": N_SIDE, "htsat_patch_size": 4, "htsat_window_size": EAR["window_size"],
    "htsat_depth": EAR["depths"], "htsat_dim": EAR["patch_embeds_hidden_size"],
    "htsat_stride": (4, 4), "htsat_num_head": EAR["num_attention_heads"], "mel_bins": N_BANDS,
    "window_size": 1024, "fmin": 50, "fmax": 14000, "enable_tscam": True,
}  # fmt: skip
STANDING = {
    **TORCHVISION,
    "visual_net": {"resnet18": None},
    "ipdb": {"set_trace": None},
    "loralib": {},
    "transformers": {},
    "transformers.activations": {"get_activation": None},
    "esc_config": CONFIG,
    "utils": dict.fromkeys(("do_mixup", "get_mix_lambda", "do_mixup_label", "interpolate")),
    "torchlibrosa": {},
    "torchlibrosa.stft": {
        "Spectrogram": standing(),
        "LogmelFilterBank": standing((1, N_SIDE, N_BANDS)),
    },
    "torchlibrosa.augmentation": {"SpecAugmentation": standing()},
}
SMALLER = (
    ("timm.create_model('swinv2_large_window12_192_22k', pretrained=True)", SWIN.format(**EYE)),
    ("torch.load(checkpoint_path, map_location='cpu')", "{'state_dict': {}}"),
    ("load_state_dict(tmp, strict=True)", "load_state_dict(tmp, strict=False)"),
    ("aud_blocks = [None", "aud_blocks = [None, None, htsat_blk.blocks[0]] or [None"),
    ("nn.Linear(768, ", f"nn.Linear({EAR['hidden_size']}, "),
    ("1536", f"{WIDTH}"),
    (f"{WIDTH}, 512)", f"{WIDTH}, {WIDTH})"),
    ("nn.Linear(512, 256)", f"nn.Linear({WIDTH}, {WIDTH // 2})"),
    ("nn.Linear(256, 128)", f"nn.Linear({WIDTH // 2}, {WIDTH // 4})"),
    ("nn.Linear(128, 2)", f"nn.Linear({WIDTH // 4}, 2)"),
    ("h=6 ,w=6", "h=4 ,w=4"),
    ("h=6, w=6", "h=4, w=4"),
)
"""Sizes, and no file with weights."""
TOWERS = tuple((f"DG-SCT/DG-SCT/AVQA/net_grd_avst/{name}.py", name) for name in ("layers", "htsat"))


def shorter(ours: Any, mel: Tensor) -> Tensor:
    """Spectra (C, T, frames, bands) as long as the tiny ear hears."""
    heard = interpolate(mel.flatten(0, 1)[:, None], (N_SIDE, N_BANDS), mode="bicubic")[:, 0]
    return heard.unflatten(0, mel.shape[:2])


def make(code: Any, options: Any = OPTIONS) -> nn.Module:
    return moved(code.AVQA_Fusion_Net(options), "swin", "htsat")


def ask(network: nn.Module, batch: Batch) -> Any:
    pictures, others = batch.streams[PICTURE], batch.negatives[PICTURE]
    return network(batch.streams[SOUND], pictures, others, official_words(batch), None)


DG_SCT = Released(
    files=(*TOWERS, ("DG-SCT/DG-SCT/AVQA/net_grd_avst/net_avst.py", "net_avst")),
    make=make,
    ask=ask,
    batch=8,
    seconds=10,
    logits=lambda given: given[0],
    losses=match_loss,
    fit=fitting(SOUND, shorter),
    prepare=normalised,
    mended=SMALLER,
    standing=STANDING,
    options=OURS,
)
