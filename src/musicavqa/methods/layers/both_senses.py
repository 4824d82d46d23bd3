"""The encoder from which Amuse's release learns rhythm, or sources: one for what is heard and seen.

Read in xid32/Amuse_code (commit 67e53ea, rt_module/ts_model.py: Timestamp_Feature_Encoder). Its
two frozen networks are features here, so a linear layer for each sense makes them equally wide.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

N_LAYERS, N_HEADS = 2, 2


class BothSenses(nn.Module):
    """Tokens (C, N, E) of one sense -> what they are read as (C, N, D), and labels (C, n_labels).

    Two transformer layers, norms behind each half, no places; labels of all segments come from the
    mean of the tokens. All but the first layer is one for both senses.
    """

    def __init__(
        self, widths: Mapping[str, int], width: int, n_labels: int, dropout: float
    ) -> None:
        super().__init__()
        self.tokens = nn.ModuleDict({sense: nn.Linear(n, width) for sense, n in widths.items()})
        layer = nn.TransformerEncoderLayer(
            width, N_HEADS, 4 * width // 3, dropout, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, N_LAYERS, enable_nested_tensor=False)
        inner = width // 6
        self.labels = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, n_labels))

    def forward(self, tokens: Tensor, sense: str) -> tuple[Tensor, Tensor]:
        read = self.layers(self.tokens[sense](tokens))
        return read, self.labels(read.mean(1))
