"""Which methods read which stream."""

from __future__ import annotations

from musicavqa.methods.registry import list_methods, load_method


def readers() -> dict[str, list[str]]:
    """Stream -> the methods that read it, with '*' where only their published form does."""
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
