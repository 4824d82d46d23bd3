"""Masked pre-training: pictures and spectra in patches, what is hidden, what belongs together.

He et al., Masked Autoencoders Are Scalable Vision Learners (CVPR 2022), whose encoder reads only
the patches that are left; Huang et al. 2022 for spectra, read like pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, layer_norm, mse_loss, normalize

Shape = tuple[int, int, int]
"""Channels, rows, columns."""
RAW = "visual_frames"
"""How the names of streams of raw pictures begin: numbers from 0 to 255."""


class Patches(nn.Module):
    """Rows (R, channels, rows, columns) of a stream -> tokens (R, N, D) with their places."""

    def __init__(self, stream: str, shape: Shape, patch: tuple[int, int], width: int) -> None:
        super().__init__()
        self.raw, self.shape, self.patch = stream.startswith(RAW), shape, patch
        self.n_tokens = shape[1] // patch[0] * (shape[2] // patch[1])
        self.n_numbers = shape[0] * patch[0] * patch[1]
        self.embed = nn.Linear(self.n_numbers, width)
        self.places = nn.Parameter(0.02 * torch.randn(self.n_tokens, width))

    def forward(self, pieces: Tensor) -> Tensor:
        """Tokens of `pieces` (R, N, numbers)."""
        return self.embed(pieces) + self.places

    def pieces(self, rows: Tensor) -> Tensor:
        """The numbers of each patch (R, N, numbers), row by row; -1 to 1 for raw pictures."""
        if self.raw:
            rows = rows / 127.5 - 1
        rows = rows.reshape(len(rows), *self.shape)
        high, wide = self.patch
        cut = rows.unflatten(3, (-1, wide)).unflatten(2, (-1, high))  # (R, E, n, high, m, wide)
        return cut.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def check_patches(name: str, shape: Shape, patch: tuple[int, int]) -> None:
    """Refuse patches that do not fill their picture."""
    if shape[1] % patch[0] or shape[2] % patch[1]:
        raise ValueError(f"{name}_patch {patch} does not part {name}_shape {shape} evenly.")


def left_over(n_rows: int, n_tokens: int, hidden: float, device: torch.device) -> Tensor:
    """Numbers (R, K) of the tokens that are left when a share is hidden at random; one at least."""
    n_kept = max(1, n_tokens - int(hidden * n_tokens))
    return torch.rand(n_rows, n_tokens, device=device).argsort(1)[:, :n_kept]


def take(tokens: Tensor, kept: Tensor) -> Tensor:
    """Tokens (R, K, D) of `kept` (R, K) among tokens (R, N, D)."""
    return tokens.gather(1, kept[..., None].expand(-1, -1, tokens.shape[-1]))


def put_back(tokens: Tensor, kept: Tensor, filler: Tensor, n_tokens: int) -> Tensor:
    """Tokens (R, K, D) at their places among N, the others filled with `filler` (D,)."""
    full = filler.to(tokens.dtype).expand(len(tokens), n_tokens, -1)
    return full.scatter(1, kept[..., None].expand_as(tokens), tokens)


def is_kept(kept: Tensor, n_tokens: int) -> Tensor:
    """Mask (R, N), True for the tokens in `kept` (R, K)."""
    full = torch.zeros(len(kept), n_tokens, dtype=torch.bool, device=kept.device)
    return full.scatter(1, kept, True)


def remaking_loss(made: Tensor, pieces: Tensor, counted: Tensor) -> Tensor:
    """Mean squared error of patches (R, N, numbers), each scaled to mean 0 and deviation 1.

    Only those count that are True in `counted` (R, N).
    """
    wanted = layer_norm(pieces, pieces.shape[-1:])
    return mse_loss(made[counted], wanted[counted])


def contrast(one: Tensor, other: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """InfoNCE of pairs (R, D) both ways: each finds its partner among all R, by cosine."""
    scores = normalize(one, dim=-1) @ normalize(other, dim=-1).T / temperature
    partner = torch.arange(len(one), device=one.device)
    return cross_entropy(scores, partner), cross_entropy(scores.T, partner)


def drawn_seconds(valid: Tensor, per_clip: int) -> tuple[Tensor, Tensor]:
    """Clip and second (C * per_clip,) of seconds drawn from each clip's own."""
    drawn = torch.rand(len(valid), per_clip, device=valid.device)
    second = (drawn * valid.sum(1, keepdim=True)).long().clamp(max=valid.shape[1] - 1)
    clip = torch.arange(len(valid), device=valid.device)[:, None].expand_as(second)
    return clip.flatten(), second.flatten()
