"""TSPM: GeWu-Lab/TSPM."""

from __future__ import annotations

import types
from typing import Any

from torch import nn

from musicavqa.records import Batch
from released.contract import Released
from released.pstp_net import PSTP_NET

ARGS = types.SimpleNamespace(
    top_k=10, AV_Attn_Module=True, Temp_Selection=True, Spatio_Perception=True, Temp_QTGM=True
)


def ask(network: nn.Module, batch: Batch) -> Any:
    streams, texts = batch.streams, batch.texts
    return network(
        streams["audio_vggish"], streams["visual_clip_l14_336"], None, streams["visual_tome14"],
        texts["text_clip_l14"][:, None], texts["text_clip_l14_prompt"][:, None],
    )  # fmt: skip


TSPM = Released(
    files=(("TSPM/nets/net.py", "nets.net"),),
    make=lambda code: code.TSPM(ARGS),
    ask=ask,
    batch=64,
    seconds=60,
    mended=(  # names that the release does not bind
        ("TemporalPerceptionModule(", "TemporalPerception("),
        ("avisual_patch_select", "visual_patch_select"),
    ),
    standing=PSTP_NET.standing,
)
