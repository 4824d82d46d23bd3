"""Entries of a BibTeX file as plain fields: enough for one paper, nothing is run or expanded."""

from __future__ import annotations

import re

from musicavqa.catalog.loader import CatalogueError

_ENTRY = re.compile(r"@(\w+)\s*\{\s*([^,\s{}]+)\s*,")
_FIELD = re.compile(r"\s*(\w+)\s*=\s*")
_SKIPPED = ("comment", "string", "preamble")


def read_bibtex(text: str) -> dict[str, dict[str, str]]:
    """Key -> fields in small letters, values without braces; CatalogueError where it is none."""
    found: dict[str, dict[str, str]] = {}
    place = 0
    while entry := _ENTRY.search(text, place):
        fields, place = _fields(text, entry.end())
        if entry[1].lower() in _SKIPPED:
            continue
        if entry[2] in found:
            raise CatalogueError(f"BibTeX: the key {entry[2]!r} stands twice.")
        found[entry[2]] = fields
    if not found:
        raise CatalogueError("BibTeX: there is no entry such as @inproceedings{key, ...}.")
    return found


def _fields(text: str, place: int) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    while found := _FIELD.match(text, place):
        value, place = _value(text, found.end())
        fields[found[1].lower()] = " ".join(value.replace("{", "").replace("}", "").split())
        rest = re.compile(r"\s*,?").match(text, place)
        place = rest.end() if rest else place
    if not re.compile(r"\s*\}").match(text, place):
        line = text.count("\n", 0, place) + 1
        raise CatalogueError(f"BibTeX line {line}: expected `field = {{value}},` or a closing }}.")
    return fields, place


def _value(text: str, place: int) -> tuple[str, int]:
    """A value in braces or quotes, or one word; and where it ends."""
    opening = text[place : place + 1]
    if opening not in ("{", '"'):
        word = re.compile(r"[\w.:-]*").match(text, place)
        assert word is not None  # it may be empty
        return word[0], word.end()
    closing, depth = {"{": "}", '"': '"'}[opening], 0
    for at in range(place, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0 and text[at] == closing and at > place:
            return text[place + 1 : at], at + 1
    raise CatalogueError(f"BibTeX line {text.count(chr(10), 0, place) + 1}: the value has no end.")
