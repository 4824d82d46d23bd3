"""Frozen networks and signal transforms, one per file; the file name is the registration.

Each file has `SPEC` and `load()`, which returns an object with `.spec` and
`.encode(media) -> (T, *spec.shape)`, one row per second; a missing sense gives zeros. A text
encoder has `.embed(texts)` in place of `.encode`. Installed packages add others by entry point.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from difflib import get_close_matches
from types import ModuleType
from typing import TYPE_CHECKING, Any

from musicavqa.added import added, load_added

if TYPE_CHECKING:
    from musicavqa.features.encoders.spec import Spec

ENTRY_POINTS = "musicavqa.encoders"
SENSES = ("audio_", "visual_", "music_", "text_")


def list_encoders() -> list[str]:
    """Names of all encoders, sorted: those here, and those that installed packages add."""
    return sorted({*_built_in(), *(name for name in added(ENTRY_POINTS) if _is_encoder(name))})


def load_spec(name: str) -> Spec:
    """The card of an encoder, or of several whose names a + joins; loads no weights."""
    if "+" in name:
        from musicavqa.features.encoders.side_by_side import joined_spec, parts_of

        return joined_spec(name, [load_spec(part) for part in parts_of(name)])
    return _module(name).SPEC


def load_encoder(name: str, device: str = "cpu") -> Any:
    """The encoder, ready to encode; its weights are fetched on first use.

    Those that compute with torch do so on `device`; signal transforms always on the processor.
    """
    if "+" in name:
        from musicavqa.features.encoders.side_by_side import JoinedEncoder, parts_of

        return JoinedEncoder(name, {part: load_encoder(part, device) for part in parts_of(name)})
    load = _module(name).load
    return load(device=device) if "device" in inspect.signature(load).parameters else load()


def _built_in() -> list[str]:
    return [item.name for item in pkgutil.iter_modules(__path__) if _is_encoder(item.name)]


def _is_encoder(name: str) -> bool:
    return name.startswith(SENSES)


def _module(name: str) -> ModuleType:
    names = list_encoders()
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.4) or names
        raise ValueError(f"There is no encoder {name!r}. Did you mean {' or '.join(near)}?")
    if name in _built_in():
        return importlib.import_module(f"{__name__}.{name}")
    return load_added(ENTRY_POINTS, name, ("SPEC", "load"))
