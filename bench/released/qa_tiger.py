"""QA-TIGER: AIM-SKKU/QA-TIGER."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from musicavqa.records import Batch
from released.contract import Released

SIZES = {"d_model": 512, "video_dim": 768, "patch_dim": 1024, "topK": 7, "num_experts": 7}


class ReadBefore(nn.Module):
    """In the place of CLIP's text tower: what it would say."""

    given: Any = None

    def __init__(self, _: str) -> None:
        super().__init__()

    def freeze(self) -> None:
        """There is nothing to freeze."""

    def forward(self, _: Tensor) -> Any:
        return self.given


def ask(network: Any, batch: Batch) -> Any:
    streams, texts = batch.streams, batch.texts
    network.quest_encoder.given = texts["text_clip_l14"][:, None], texts["text_clip_l14_words"]
    return network(
        {"quest": batch.words, "audio": streams["audio_vggish"],
         "video": streams["visual_clip_l14_336"], "patch": streams["visual_tome14"]}
    )  # fmt: skip


QA_TIGER = Released(
    files=(
        ("QA-TIGER/src/models/modules.py", "src.models.modules"),
        ("QA-TIGER/src/models/net.py", "src.models.net"),
    ),
    make=lambda code: code.QA_TIGER(**SIZES),
    ask=ask,
    batch=32,
    seconds=60,
    logits=lambda given: given["out"],
    losses=lambda code, given, answers: [nn.functional.cross_entropy(given["out"], answers)],
    standing={
        "torchvision": {},
        "torchvision.models": {},
        "src": {},
        "src.models": {},
        "src.models.encoders": {"CLIP_TEncoder": ReadBefore},
    },
    betas=(0.95, 0.999),
)
