"""What a model costs: arithmetic counted, memory read from the system."""

from __future__ import annotations

import warnings

import torch

from musicavqa.records import Batch


def count_flops(model: torch.nn.Module, batch: Batch) -> int:
    """FLOPs of the products in one forward pass, two per multiply-add.

    Recurrent layers are taken apart into products (oneDNN off), so that they count.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of Intel GPUs, which nobody asked for
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            model(batch)  # with gradients: the counter's hooks want a graph
    return counter.get_total_flops()
