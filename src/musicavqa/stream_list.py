"""Every stream there is: what it is, which weights it needs, and which methods read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Stream:
    """One stream, as `features list` shows it."""

    name: str
    reads: str
    """'picture', 'sound', 'picture and sound' or 'question'."""
    rate: str
    """How often there is a row."""
    shape: tuple[int, ...]
    """Of one row."""
    dtype: str
    weights: tuple[str, ...]
    weights_here: bool
    how: tuple[str, ...]
    """Commands that get what is missing."""
    licence: str
    source: tuple[str, ...]
    """Where the weights come from."""
    read_by: tuple[str, ...]
    """Methods, with '*' where only their published form reads it."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def list_streams() -> list[Stream]:
    """All streams that an encoder of ours makes, sorted by name."""
    from musicavqa.features.encoders import list_encoders, load_spec
    from musicavqa.features.encoders.weights import weight_report

    readers = _readers()
    found = []
    for name in list_encoders():
        spec = load_spec(name)
        weights = weight_report(spec.weights) if spec.weights else []
        found.append(
            Stream(
                name=name,
                reads=_senses(spec),
                rate=_rate(spec),
                shape=spec.shape,
                dtype=spec.dtype,
                weights=spec.weights,
                weights_here=all(row["present"] for row in weights),
                how=tuple(row["how"] for row in weights if not row["present"]),
                licence=spec.licence,
                source=tuple(row["source"] for row in weights),
                read_by=tuple(readers.get(name, ())),
            )
        )
    return found


def streams_of_method(name: str) -> tuple[str, ...]:
    """The streams that a method reads with default options."""
    from musicavqa.methods.registry import load_method

    return load_method(name).streams()


def _readers() -> dict[str, list[str]]:
    """Methods by the stream that they read."""
    from musicavqa.methods.registry import list_methods, load_method

    found: dict[str, list[str]] = {}
    for name in list_methods():
        method = load_method(name)
        usual = {*method.streams(), *method.texts()}
        options = getattr(method.module, "PUBLISHED", None)
        published = {*method.streams(options), *method.texts(options)} if options else set()
        for stream in sorted(usual):
            found.setdefault(stream, []).append(name)
        for stream in sorted(published - usual):
            found.setdefault(stream, []).append(f"{name}*")
    return found


def _senses(spec: Any) -> str:
    from musicavqa.media import Pictures

    kinds = {"picture" if isinstance(item, Pictures) else "sound" for item in spec.reads}
    return " and ".join(sorted(kinds)) or "question"


def _rate(spec: Any) -> str:
    if not spec.reads:
        return "question"
    if spec.every_s != 1:
        return f"every {spec.every_s} s"
    return "1 s" if spec.rate_hz == 1 else f"{spec.rate_hz:g} Hz"
