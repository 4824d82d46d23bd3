"""Sample logs of lmms-eval (`--log_samples`): <date>_samples_<task>.jsonl.

`filtered_resps` is the text after lmms-eval's own filters (reasoning removed), as `["text"]` up to
February 2026 and as `"text"` since; `resps` is used where it is missing. `doc_id` is the place of
the question in the split, and `target` the right answer, by which that place is checked. A task
that keeps its `doc` may carry `key`, `video_id`, `question_id`, `question` and `options` in it;
one that `musicavqa llm export-task` wrote has `key` and `options` in `answered`.
"""

from __future__ import annotations

from typing import Any

from musicavqa.scoring.importers.given import Given, name, shorten, whole_number, words
from musicavqa.scoring.importers.tables import Table

_COLUMNS = frozenset({"doc_id", "target"})


def fits(columns: frozenset[str]) -> bool:
    """Whether such a log has these columns."""
    return columns >= _COLUMNS and bool(columns & {"filtered_resps", "resps"})


def given(line: int, row: dict[str, Any]) -> Given:
    """One sample."""
    doc = row.get("doc") or {}
    if not doc and isinstance(row.get("answered"), dict):
        doc = row["answered"]
    if not isinstance(doc, dict):
        raise ValueError(f"'doc' holds {shorten(doc)}, which is no object.")
    field = "filtered_resps" if "filtered_resps" in row else "resps"
    options = doc.get("options") or ()
    if not isinstance(options, (list, tuple)):
        raise ValueError(f"'options' holds {shorten(options)}, which is no list.")
    return Given(
        line,
        _only_text(row.get(field), field),
        key=name(doc.get("key"), "key"),
        index=whole_number(row.get("doc_id"), "doc_id"),
        question_id=whole_number(doc.get("question_id"), "question_id"),
        clip=name(doc.get("video_id"), "video_id"),
        question=name(doc.get("question"), "question"),
        gold=name(row.get("target"), "target"),
        options=tuple(words(option, "options") or "" for option in options),
    )


def check(table: Table) -> None:
    """Raise ValueError unless every row has what a sample log must have."""
    missing = sorted(_COLUMNS - table.columns)
    if missing or not fits(table.columns):
        raise ValueError(
            f"{table.path} is no sample log of lmms-eval: {', '.join(missing) or 'filtered_resps'} "
            f"is missing in some row."
        )


def _only_text(value: Any, field: str) -> str | None:
    """The one text inside up to two lists."""
    inner = value
    for _ in range(2):
        if isinstance(inner, list):
            if len(inner) != 1:
                raise ValueError(f"{field!r} holds {len(inner)} texts; one answer is needed.")
            inner = inner[0]
    return words(inner, field)
