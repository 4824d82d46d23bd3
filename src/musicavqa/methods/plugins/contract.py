"""How a plug-in takes part in a training step of any method, and all plug-ins of a run as one.

A plug-in file holds a docstring, `Options` (a frozen dataclass) and `Plugin`. It acts while a
method learns to answer, never in its earlier stages and never in prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from musicavqa.records import Batch, Output


class Plugin(nn.Module):
    """Base of all plug-ins: three hooks that leave everything as it is.

    Its parameters are trained and its buffers kept beside the method's, for a run that goes on
    after a kill. Random numbers come from torch's global generator, which the loop seeds.
    """

    NEEDS: ClassVar[tuple[str, ...]] = ()
    """What a method must give: names in `Output.features`, or 'answer_from'."""

    epoch = 0
    """Of answering, counted from 0; set by the loop."""

    def __init__(self, options: Any, model: nn.Module, batch: Batch, output: Output) -> None:
        """`output` is what the untrained `model` says to `batch`: for widths and for the graph."""
        super().__init__()
        self.options = options

    def change(self, model: nn.Module, batch: Batch, output: Output) -> tuple[Batch, Output]:
        """Change what is answered, before any loss; never `output.features`."""
        return batch, output

    def losses(self, model: nn.Module, batch: Batch, output: Output) -> dict[str, torch.Tensor]:
        """Scalars to minimise besides the method's, already weighted."""
        return {}

    def after_backward(self, model: nn.Module, batch: Batch, output: Output) -> None:
        """Change gradients in place, before they are clipped."""


class Chain(nn.ModuleDict):
    """The plug-ins of a run, in the order of their names."""

    def begin(self, epoch: int) -> None:
        """Tell every plug-in the epoch."""
        for plugin in self.values():
            plugin.epoch = epoch

    def change(self, model: nn.Module, batch: Batch, output: Output) -> tuple[Batch, Output]:
        """`Plugin.change` of one after the other."""
        for plugin in self.values():
            batch, output = plugin.change(model, batch, output)
        return batch, output

    def losses(self, model: nn.Module, batch: Batch, output: Output) -> dict[str, torch.Tensor]:
        """All their losses, named 'plug-in.term'."""
        return {
            f"{name}.{term}": loss
            for name, plugin in self.items()
            for term, loss in plugin.losses(model, batch, output).items()
        }

    def after_backward(self, model: nn.Module, batch: Batch, output: Output) -> None:
        """`Plugin.after_backward` of one after the other."""
        for plugin in self.values():
            plugin.after_backward(model, batch, output)


def connect(
    plugins: Mapping[str, tuple[Any, Any]], method: str, model: nn.Module, batch: Batch
) -> Chain:
    """Build plug-ins, name -> (module, options), for a fresh model.

    Raises ValueError in one line where the method lacks what one of them needs.
    """
    output = model.eval()(batch)
    given = {*output.features, *(["answer_from"] if hasattr(model, "answer_from") else [])}
    built = {}
    for name, (module, options) in sorted(plugins.items()):
        missing = [need for need in module.Plugin.NEEDS if need not in given]
        if missing:
            raise ValueError(
                f"Plug-in {name} does not fit {method}, which gives no {', '.join(missing)} "
                "(Output.features and Model.answer_from, see docs/plugins.md)."
            )
        try:
            built[name] = module.Plugin(options, model, batch, output)
        except ValueError as error:
            raise ValueError(f"Plug-in {name} does not fit {method}: {error}") from error
    return Chain(built)
