"""AV-Master: AoKoo233/AV-Master; needs easydict.

`nets/bert_module.py` is not in what is stored of it; a copy that others keep was read.
"""

from __future__ import annotations

import types
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from musicavqa.records import Batch
from released.contract import Released

ARGS = types.SimpleNamespace(num_layers=1, question_encoder="CLIP", use_word=True)
SOUND, PICTURE = "audio_vggish", "visual_clip_l14_336"


def ask(network: nn.Module, batch: Batch) -> Any:
    """Other clips are given in training only."""
    texts, others = batch.texts, batch.negatives if network.training else {}
    return network(
        batch.streams[SOUND], batch.streams[PICTURE], None, texts["text_clip_l14"][:, None],
        texts["text_clip_l14_words"][:, None], others.get(PICTURE), others.get(SOUND),
    )  # fmt: skip


def losses(code: Any, given: Any, answers: Tensor) -> list[Tensor]:
    """One of each head, walked back one after the other."""
    *heads, contrast = given
    first, *others = (cross_entropy(head, answers) for head in heads)
    return [first + contrast, *others]


AV_MASTER = Released(
    files=(
        ("AV-Master/nets/bert_module.py", "nets.bert_module"),
        ("AV-Master/nets/model.py", "nets.model"),
        ("AV-Master/nets/AV_Master_ours.py", "nets.AV_Master_ours"),
    ),
    make=lambda code: code.AV_Master(ARGS),
    ask=ask,
    batch=64,
    seconds=60,
    logits=lambda given: given[0] + given[1] + given[2],
    losses=losses,
    standing={"torchvision": {}, "torchvision.models": {}, "nets": {}},
)
