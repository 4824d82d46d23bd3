"""The 39 systems of the survey: which are here, what each was checked against, what is missing."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from musicavqa.methods.registry import Method, list_methods, list_plugins, load_method

LANGUAGE_MODEL = "mllm"
"""Family of the catalogue; QaP stands there too, for its weights, and is a method here."""
METHODS_ALL_THE_SAME = ("QaP",)

PLUGINS = {
    "coca": ("nothing: only its abstract can be read", "forms of its losses and all weights"),
    "mccd": ("its losses by its code", ""),
    "ogm": ("its code: gradients of two encoders", "how it was used with questions"),
    "opm": ("its code: dropped features of two encoders", "how it was used with questions"),
}
"""Plug-in -> what it was checked against, what is missing."""


@dataclass(frozen=True)
class System:
    """One system of the survey."""

    name: str
    year: int
    language_model: bool
    methods: tuple[str, ...]
    plugins: tuple[str, ...]
    checked: str
    missing: str
    opened: str = ""
    """Of a language model: what it is opened by, and its tier (docs/llm_models.md)."""

    @property
    def is_built(self) -> bool:
        """Whether there is a method or a plug-in of it here, or a language model to be asked."""
        return bool(self.methods or self.plugins or self.opened)


def systems() -> list[System]:
    """All 39, by year and name."""
    catalogue = importlib.import_module("musicavqa.catalog").load()
    cards = [load_method(name) for name in list_methods()]
    scored = {row.method for row in catalogue.results}
    found = [
        _system(entry, [m for m in cards if m.card.official_scores == entry.name], scored)
        for entry in catalogue.methods.values()
        if entry.scope == "survey"
    ]
    return sorted(found, key=lambda system: (system.year, system.name.lower()))


def table() -> str:
    """The table of the page of all methods."""
    rows = ["| system | year | built | checked against | missing |", "|---|---|---|---|---|"]
    for system in systems():
        built = [f"[{name}]({name}.md)" for name in system.methods]
        built += [f"plug-in [{name}](../plugins.md)" for name in system.plugins]
        if system.opened:
            built.append(f"[language model](../llm_models.md) {system.opened}")
        cells = [system.name, str(system.year), ", ".join(built) or "no"]
        cells += [system.checked or "-", system.missing or "-"]
        rows.append(f"| {' | '.join(cells)} |")
    return "".join(f"{row}\n" for row in rows)


def _system(entry: Any, methods: list[Method], scored: set[str]) -> System:
    if entry.family == LANGUAGE_MODEL and entry.name not in METHODS_ALL_THE_SAME:
        return _language_model(entry)
    plugin = entry.name.lower()
    plugins = (plugin,) if plugin in list_plugins() else ()
    spoken_for = [m for m in methods if not plugins or m.card.reference == "official code"]
    checked = [_checked(method) for method in spoken_for] + [PLUGINS[name][0] for name in plugins]
    missing = [_missing(method) for method in spoken_for] + [PLUGINS[name][1] for name in plugins]
    if not checked:
        missing.append("all of it")
    elif entry.name not in scored:
        missing.append("a published number of MUSIC-AVQA")
    names = tuple(method.name for method in methods)
    said = "; ".join(dict.fromkeys(filter(None, missing)))
    return System(
        entry.name, entry.year, False, names, plugins, "; ".join(dict.fromkeys(checked)), said
    )


def _language_model(entry: Any) -> System:
    for found in importlib.import_module("musicavqa.llm.systems").systems():
        if found.name == entry.name:
            opened = f"{found.how}: {found.tier}"
            return System(
                entry.name, entry.year, True, (), (), found.checked, found.missing, opened
            )
    return System(entry.name, entry.year, True, (), (), "", "all of it")


def _checked(method: Method) -> str:
    card, module = method.card, method.module
    if card.checked:
        return card.checked
    if card.reference == "official code":
        return "its code"
    if card.reference == "paper only":
        return "its equations"
    part = ", for the part that is its contribution" if hasattr(module, "OWN_PARTS") else ""
    what = f"its code{part}" if hasattr(module, "OFFICIAL_KEYS") else "its description"
    return f"{what}; answering is adapted"


def _missing(method: Method) -> str:
    card = method.card
    return card.missing or ("its own task" if card.reference == "adapted" else "")
