"""AVMoE: yingchengy/AVMOE, its folder AVMOE/AVQA, with HTS-AT from DG-SCT's; sizes likewise."""

from __future__ import annotations

import dataclasses
import types

from released.dg_sct import DG_SCT, OPTIONS, TOWERS, make

EXPERTS = types.SimpleNamespace(
    **vars(OPTIONS), num_multimodal_experts=1, num_singlemodal_experts=2, is_self_attention=0,
    num_skip=1, is_audio_adapter_p1=1, is_audio_adapter_p2=1, avqa_fc_class=42,
)  # fmt: skip

AVMOE = dataclasses.replace(
    DG_SCT,
    files=(*TOWERS, ("AVMOE/AVMOE/AVQA/net_grd_avst/net_avst_v2.py", "net_avst_v2")),
    make=lambda code: make(code, EXPERTS),
    batch=2,
)
