"""The adapter for what a person calls a model: a folder, or SERVER:MODEL[@URL]."""

from __future__ import annotations

from pathlib import Path

from musicavqa.llm.contract import Adapter, Opening


def open_model(name: str, opening: Opening | None = None) -> Adapter:
    """The adapter; ValueError for a name that is neither."""
    opening = opening or Opening()
    place = Path(name).expanduser()
    if (place / "model.json").is_file():
        from musicavqa.llm.own import open_own

        return open_own(place, opening)
    if (place / "config.json").is_file():
        from musicavqa.llm.families import open_folder

        return open_folder(place, opening)
    from musicavqa.llm.servers import SERVERS

    server, _, rest = name.partition(":")
    if server in SERVERS and rest:
        from musicavqa.llm.api import open_server

        return open_server(server, rest, opening)
    if place.is_dir():
        raise ValueError(f"{name} is a folder without config.json, so it holds no model.")
    raise ValueError(
        f"{name!r} is neither a folder with a model nor SERVER:MODEL[@URL] with a server of "
        f"{', '.join(SERVERS)}. Models are not downloaded: fetch the folder yourself."
    )
