"""AVST and its baseline: GeWu-Lab/MUSIC-AVQA."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import nn

from musicavqa.records import Batch
from released.contract import Released, answer_loss, match_loss, no_network, official_words

STANDING = {
    "torchvision": {},
    "torchvision.models": {},
    "visual_net": {"resnet18": no_network},
}


def ask(network: nn.Module, batch: Batch) -> Any:
    pictures = batch.streams["visual_resnet18_map"]
    others = batch.negatives.get("visual_resnet18_map", pictures)
    return network(batch.streams["audio_vggish"], pictures, others, official_words(batch))


AVST = Released(
    files=(("MUSIC-AVQA/net_grd_avst/net_avst.py", "net_avst"),),
    make=lambda code: code.AVQA_Fusion_Net(),
    ask=ask,
    batch=64,
    seconds=10,
    logits=lambda given: given[0],
    losses=match_loss,
    standing=STANDING,
)
AVST_BASELINE = replace(
    AVST,
    files=(("MUSIC-AVQA/net_baseline/nets_qa_grd_baseline.py", "nets_qa_grd_baseline"),),
    losses=lambda code, given, answers: answer_loss(code, given[0], answers),
)
