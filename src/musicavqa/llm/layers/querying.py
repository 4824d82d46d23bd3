"""The query transformer of BLIP-2 (Li et al. 2023): learned queries read any number of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from musicavqa.llm.layers.towers import build


class Querying(nn.Module):
    """Tokens (B, N, C) -> (B, K, D): K learned queries of one kind attend to them.

    `sizes` are those of transformers' Blip2QFormerConfig, C is its `encoder_hidden_size`. Kinds of
    tokens have queries of their own and share all the rest.
    """

    def __init__(self, sizes: Mapping[str, Any], queries: Mapping[str, int]) -> None:
        super().__init__()
        self.reader = build("qformer", sizes)
        self.width: int = self.reader.config.hidden_size
        self.queries = nn.ParameterDict(
            {kind: 0.02 * torch.randn(1, n, self.width) for kind, n in queries.items()}
        )

    def forward(self, tokens: Tensor, kind: str) -> Tensor:
        asked = self.queries[kind].expand(len(tokens), -1, -1)
        read: Tensor = self.reader(
            query_embeds=asked, encoder_hidden_states=tokens
        ).last_hidden_state
        return read
