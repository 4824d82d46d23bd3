"""Small pieces of HTML; every text goes through `escape`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from musicavqa.reports.tables import text

HEADS = {
    "a_count": "A count", "a_comp": "A comp", "a_avg": "A avg", "v_count": "V count",
    "v_loc": "V loc", "v_avg": "V avg", "av_exist": "AV exist", "av_count": "AV count",
    "av_loc": "AV loc", "av_comp": "AV comp", "av_temp": "AV temp", "av_avg": "AV avg",
    "avg": "Overall",
}  # fmt: skip
"""Columns of accuracies as people read them."""


def table(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    caption: str,
    bold: Collection[tuple[int, str]] = (),
    ours: Collection[int] = (),
    long: Collection[str] = (),
) -> str:
    """A sortable table that scrolls by itself; the first column is the head of its row."""
    numeric = {name for name in columns if _is_numeric([row.get(name) for row in rows])}
    heads = "".join(
        f'<th scope="col" data-kind="{"number" if name in numeric else "text"}">'
        f'<button type="button">{escape(HEADS.get(name, name))}</button></th>'
        for name in columns
    )
    lines = []
    for number, row in enumerate(rows):
        cells = [
            _cell(name, row.get(name), name in numeric, (number, name) in bold, name in long)
            for name in columns[1:]
        ]
        head = f'<th scope="row">{_linked(row.get(columns[0]))}</th>'
        lines.append(f"<tr{_class('ours' if number in ours else '')}>{head}{''.join(cells)}</tr>")
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _is_numeric(values: Sequence[Any]) -> bool:
    return any(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def _cell(name: str, value: Any, numeric: bool, bold: bool, long: bool) -> str:
    if name == "flags":
        content = "".join(f'<span class="badge">{escape(flag)}</span>' for flag in value or ())
    else:
        content = _linked(value)
    if bold:
        content = f"<strong>{content}</strong>"
    kind = "number" if numeric else "long" if long else ""
    return f"<td{_class(kind)}>{content}</td>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _linked(value: Any) -> str:
    shown = text(value)
    if shown.startswith("https://"):
        short = shown.removeprefix("https://").removeprefix("github.com/")
        return f'<a href="{escape(shown, quote=True)}">{escape(short)}</a>'
    return escape(shown)


def figure(svg: str, description: str, caption: str = "") -> str:
    """An inlined figure; `description` is what is read out instead of it."""
    label = escape(description, quote=True)
    named = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    shown = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{named}{shown}</figure>"


def section(name: str, title: str, *parts: str) -> str:
    """A section that the navigation can jump to."""
    return f'<section id="{name}"><h2>{escape(title)}</h2>{"".join(parts)}</section>'


def paragraph(*sentences: str, quiet: bool = False) -> str:
    """Sentences as one paragraph."""
    return f"<p{_class('quiet' if quiet else '')}>{escape(' '.join(filter(None, sentences)))}</p>"


def bullets(lines: Sequence[str]) -> str:
    """Lines as a list."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def details(title: str, *parts: str, is_open: bool = False) -> str:
    """Parts that open with a click."""
    return (
        f"<details{' open' if is_open else ''}><summary>{escape(title)}</summary>"
        f"{''.join(parts)}</details>"
    )
