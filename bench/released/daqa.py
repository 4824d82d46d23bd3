"""FCNLSTM and CONVLSTM: facebookresearch/daqa.

Its program takes one clip and all its questions a step on each GPU. Sixteen questions a step are
ours, for both sides (`RECIPES` of the two methods).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from musicavqa.answers import ANSWERS
from musicavqa.methods.conversion import OFFICIAL_WORDS
from musicavqa.records import Batch
from released.contract import Released, official_words

N_BANDS = 64
SIZES: dict[str, Any] = {
    "vocab_dim": len(OFFICIAL_WORDS), "padding_idx": 0, "embedding_dim": 256,
    "lstm_hidden_dim_q": 128, "num_lstm_layers_q": 1, "bidirectional": False, "num_conv_filts": 16,
    "num_conv_layers": 5, "stride": 1, "dilation": 1, "output_hidden_dim": 1024,
    "output_dim": len(ANSWERS),
}  # fmt: skip
"""Its program's defaults."""


def longest_first(batch: Batch) -> Tensor:
    """Its loader sorts questions by length."""
    return (batch.words != 0).sum(1).argsort(descending=True, stable=True)


def ask(network: nn.Module, batch: Batch) -> Any:
    mel = batch.streams["audio_logmel_10ms"].flatten(1, 3)  # (B, frames, bands)
    lengths = (batch.words != 0).sum(1)
    words = official_words(batch, int(lengths.max()))
    return network(mel, lengths.new_full(lengths.shape, mel.shape[1]), words, lengths)


FCNLSTM = Released(
    files=(("daqa/daqa-mod/layers.py", "layers"), ("daqa/daqa-mod/models.py", "models")),
    make=lambda code: code.FCNLSTMN(
        **SIZES, fcn_output_dim=256, fcn_coeff_dim=1, fcn_temp_dim=1, aggregate="mean"
    ),
    ask=ask,
    batch=16,
    seconds=60,
    order=longest_first,
)
CONVLSTM = replace(
    FCNLSTM,
    make=lambda code: code.CONVLSTMN(
        **SIZES, input_dim=N_BANDS, lstm_hidden_dim_a=128, num_lstm_layers_a=1
    ),
)
