"""The adapter for what a person calls a model: a folder, SERVER:MODEL[@URL], or NAME[:REST].

NAME is an adapter that an installed package adds (docs/packages.md); REST is for it to read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from musicavqa.added import added, load_added
from musicavqa.llm.contract import Adapter, Opening

ENTRY_POINTS = "musicavqa.llms"


@dataclass(frozen=True)
class Opener:
    """How a worker comes by the model; it can be sent, and equal ones open it once a process."""

    model: str
    opening: Opening

    def __call__(self) -> Adapter:
        """The adapter."""
        return open_model(self.model, self.opening)


def open_model(name: str, opening: Opening | None = None) -> Adapter:
    """The adapter; ValueError for a name that is none of these."""
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
    if server in added(ENTRY_POINTS):
        module = load_added(ENTRY_POINTS, server, ("open_adapter",))
        adapter: Adapter = module.open_adapter(rest, opening)
        return adapter
    if place.is_dir():
        raise ValueError(f"{name} is a folder without config.json, so it holds no model.")
    raise ValueError(
        f"{name!r} is neither a folder with a model nor SERVER:MODEL[@URL] with a server of "
        f"{', '.join([*SERVERS, *sorted(added(ENTRY_POINTS))])}. "
        "Models are not downloaded: fetch the folder yourself."
    )
