"""PSTP-Net: GeWu-Lab/PSTP-Net."""

from __future__ import annotations

import types
from typing import Any

from torch import nn

from musicavqa.records import Batch
from released.contract import Released

ARGS = types.SimpleNamespace(
    num_layers=1, question_encoder="CLIP", use_word=True, temp_select=True, segs=12, top_k=2,
    spat_select=True, top_m=25, a_guided_attn=True, global_local=True,
)  # fmt: skip


def ask(network: nn.Module, batch: Batch) -> Any:
    streams, texts = batch.streams, batch.texts
    return network(
        streams["audio_vggish"], streams["visual_clip_b32"], streams["visual_clip_b32_patches"],
        texts["text_clip_b32"][:, None], texts["text_clip_b32_words"][:, None],
    )  # fmt: skip


PSTP_NET = Released(
    files=(("PSTP-Net/nets/PSTP_Net_Ours.py", "nets.PSTP_Net_Ours"),),
    make=lambda code: code.PSTP_Net(ARGS),
    ask=ask,
    batch=64,
    seconds=60,
    mended=(
        # which a newer numpy refuses
        (
            "int(top_k_index_sort[batch_idx, :, k_idx])",
            "int(top_k_index_sort[batch_idx, 0, k_idx])",
        ),
    ),
    standing={
        "torchvision": {},
        "torchvision.models": {},
        "nets": {},
        "nets.visual_net": {"resnet18": None},
        "configs": {},
        "configs.arguments": {"parser": None},
        "configs.arguments_Ours_FusionCat": {"parser": None},
    },
)
