"""Pages that say what the code says: `python -m musicavqa.cli.pages` writes them into docs/.

* verbs.md: every verb with its arguments and options, from the command line itself;
* api.md: every public function, filled by mkdocstrings from its docstring;
* glossary.md: cells of questions and streams, besides words that are explained by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from musicavqa.files import write_text

MADE = "<!-- made by `python -m musicavqa.cli.pages`; edit the code instead -->\n"
WORDS = {
    "answer": "one of the 42 words that an answer can be",
    "beats, key, tempo": "music streams; said only where they are sure",
    "cell": "modality and type of a question, such as AV-Temporal; results are told by cell",
    "clip": "one recording of a data set",
    "evidence": "the seconds and the place in the picture that an answer rests on",
    "grid": "equal steps of time that streams of all rates are brought to",
    "lane": "somebody in the picture, or an instrument that is only heard, over time",
    "method": "a network or rule that answers; one file in `methods/`, or your own",
    "performance": "a file that has been read and answers questions (`musicavqa.listen`)",
    "reading": "what was perceived of a file before any question",
    "run": "a folder: checkpoint, options, predictions",
    "slot": "a place of a template that an instrument, a side or an order word fills",
    "store": "a folder of rows of one stream, for all clips of a set",
    "stream": "numbers at a steady rate that one encoder makes of picture or sound",
    "template": "one of the 33 forms of questions",
    "tick": "a tenth of a second of a reading",
}


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command of the command line by its words, such as 'features extract'."""
    for name, below in sorted(getattr(group, "commands", {}).items()):
        yield from commands(below, (*path, name))
    if not hasattr(group, "commands"):
        yield " ".join(path), group


def verbs_page() -> str:
    """Every verb: what it does, arguments, options."""
    from musicavqa.cli import app

    parts = [MADE, "# The verbs\n", "`musicavqa VERB --help` says the same.\n"]
    for name, command in commands(typer.main.get_command(app)):
        first = " ".join((command.help or "").split())
        parts += [f"## {name}\n", f"{first}\n", _table(name, command.params)]
    return "\n".join(parts)


def _table(name: str, parameters: Any) -> str:
    places = [p for p in parameters if p.param_type_name == "argument"]
    usage = " ".join(f"{p.name.upper()}{'...' if p.nargs == -1 else ''}" for p in places)
    rows = [_row(p) for p in parameters if p.name != "help"]
    head = ["| | | default |", "|---|---|---|"] if rows else []
    return "\n".join([f"```\nmusicavqa {name} {usage}".rstrip() + "\n```\n", *head, *rows]) + "\n"


def _row(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    names = [*parameter.opts, *parameter.secondary_opts] if is_option else [parameter.name.upper()]
    told = " ".join((parameter.help or "").split()).replace("|", "\\|")
    default = parameter.default
    is_plain = isinstance(default, str | int | float | Path) and not isinstance(default, bool)
    shown = f"`{default}`" if is_plain and str(default) else ""
    if parameter.required:
        shown = "needed"
    return f"| {', '.join(f'`{one}`' for one in names)} | {told} | {shown} |"


def api_page() -> str:
    """The public functions, and what they give and take most, for mkdocstrings."""
    import musicavqa

    functions = [f"{home}.{name}" for name, home in sorted(musicavqa._HOMES.items())]
    classes = [
        "musicavqa.ask.asking.Performance", "musicavqa.ask.asking.Reply",
        "musicavqa.records.Reading", "musicavqa.records.Seen", "musicavqa.records.Question",
        "musicavqa.records.Clip", "musicavqa.records.Batch", "musicavqa.records.Output",
        "musicavqa.records.Prediction", "musicavqa.media.Limits", "musicavqa.catalog.views.Filter",
        "musicavqa.serve.settings.Settings",
    ]  # fmt: skip
    parts = [MADE, "# API reference\n", "Functions stand on `musicavqa` itself.\n"]
    parts += [f"::: {name}\n" for name in functions]
    return "\n".join(
        [*parts, "## What they take and give\n", *(f"::: {name}\n" for name in classes)]
    )


def glossary_page() -> str:
    """Words, cells with their templates, and streams."""
    from musicavqa.ask.suggesting import CELLS
    from musicavqa.questions import TEMPLATES
    from musicavqa.workflow import list_streams

    words = [f"| {word} | {told} |" for word, told in WORDS.items()]
    cells = []
    for cell, told in CELLS.items():
        texts = [f"`{item.text.strip()}`" for item in TEMPLATES if item.cell == cell]
        cells.append(f"| {cell} | {told} | {' '.join(texts)} |")
    streams = [
        f"| `{s.name}` | {s.reads} | {s.rate} | {' x '.join(map(str, s.shape))} | {s.licence} |"
        for s in list_streams()
    ]
    return "\n".join(
        [
            MADE, "# Glossary\n", "## Words\n", "| word | |", "|---|---|", *words,
            "\n## Cells\n", "A: by ear; V: by eye; AV: by both.\n",
            "| cell | in words | templates |", "|---|---|---|", *cells,
            "\n## Streams\n", "Those of music: [how far to trust each](music_streams.md).\n",
            "| stream | reads | a row each | shape of a row | licence of the weights |",
            "|---|---|---|---|---|", *streams, "",
        ]
    )  # fmt: skip


PAGES = {"verbs.md": verbs_page, "api.md": api_page, "glossary.md": glossary_page}


def main(folder: Path = Path("docs")) -> None:
    """Write all pages."""
    for name, make in PAGES.items():
        write_text(folder / name, make())


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
