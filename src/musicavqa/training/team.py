"""The processes that train one model together, started by `accelerate launch`; usually one.

Every process has the whole model and takes its part of each batch. Gradients are summed before a
step of the optimizer, weighted by the questions they come from, so a step is that of one process
with the whole batch. They are summed here and not by a wrapper around the model, as a method learns
through `stage_losses` too, may leave parameters without a gradient, and a process may be left
without a question at the end of an epoch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from musicavqa.devices import check_device


@dataclass(frozen=True)
class Team:
    """This process and the others."""

    device: torch.device
    rank: int = 0
    size: int = 1
    accelerator: Any = None

    @property
    def leads(self) -> bool:
        """Whether this process writes what all have found."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all have come here."""
        if self.size > 1:
            self.accelerator.wait_for_everyone()

    def total(self, value: float) -> float:
        """The sum over all processes."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=self.device)
        return float(self.accelerator.reduce(told, "sum"))

    def totals(self, values: dict[str, float]) -> dict[str, float]:
        """Sums by name, for names that not all processes know."""
        if self.size == 1:
            return values
        found: dict[str, float] = {}
        for part in self.gather([values]):
            for name, value in part.items():
                found[name] = found.get(name, 0.0) + value
        return found

    def gather(self, items: list[Any]) -> list[Any]:
        """The items of all, in the order of the processes."""
        if self.size == 1:
            return items
        from accelerate.utils import gather_object

        return gather_object(items)

    def sum_gradients(self, model: nn.Module, factor: float) -> None:
        """Each gradient becomes the sum of those of all processes, times `factor`.

        A parameter that has a gradient nowhere stays without one.
        """
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        if self.size > 1:
            has = torch.tensor([weight.grad is not None for weight in weights], dtype=torch.float32)
            has = self.accelerator.reduce(has.to(self.device), "sum").cpu()
            weights = [weight for weight, n in zip(weights, has.tolist(), strict=True) if n]
            flat = torch.cat([_gradient(weight).flatten() for weight in weights])
            flat = self.accelerator.reduce(flat, "sum")
            for weight, part in zip(weights, flat.split([w.numel() for w in weights]), strict=True):
                weight.grad = part.view_as(weight).clone()
        for weight in weights:
            if weight.grad is not None and factor != 1.0:
                weight.grad.mul_(factor)

    def agree(self, model: nn.Module) -> None:
        """Buffers that move while training (of batch norms) become the mean of all processes."""
        if self.size == 1:
            return
        for buffer in model.buffers():
            if buffer.is_floating_point():
                buffer.copy_(self.accelerator.reduce(buffer.clone(), "mean"))


def join(device: str) -> Team:
    """The team of this process: alone, unless `accelerate launch` (or torchrun) started several.

    ValueError for a device that is not here.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    check_device(device)
    if size == 1:
        return Team(torch.device(device))
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=torch.device(device).type == "cpu")
    return Team(
        accelerator.device, accelerator.process_index, accelerator.num_processes, accelerator
    )


def _gradient(weight: nn.Parameter) -> torch.Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad
