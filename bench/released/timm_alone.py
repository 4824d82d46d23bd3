"""timm 0.6 imports torchvision for its readers of pictures, which nothing here needs."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock


class Anything(dict[str, Any]):
    """The names of a module that has any name."""

    def __init__(self) -> None:
        super().__init__({"__getattr__": lambda name: MagicMock(), "__path__": []})


TORCHVISION = {
    name: Anything()
    for name in (
        "torchvision",
        "torchvision.datasets",
        "torchvision.models",
        "torchvision.models.feature_extraction",
        "torchvision.ops",
        "torchvision.ops.misc",
        "torchvision.transforms",
        "torchvision.transforms.functional",
    )
}
