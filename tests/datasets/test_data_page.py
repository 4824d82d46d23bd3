"""docs/datasets.md says what the data set files say."""

from __future__ import annotations

from pathlib import Path

from musicavqa.datasets import dataset, list_datasets

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"
MARK = (
    "<!-- made from DEFECTS: pytest tests/datasets/test_data_page.py prints what belongs here -->\n"
)


def defects() -> str:
    """The last part of the page."""
    parts = []
    for name in list_datasets():
        if found := dataset(name).DEFECTS:
            lines = "".join(f"- {defect.line()}\n" for defect in found)
            parts.append(f"\n### {name}\n\n{lines}")
    return "".join(parts)


def test_the_page_lists_every_defect():
    head, mark, tail = PAGE.read_text(encoding="utf-8").partition(MARK)
    assert (bool(head), mark) == (True, MARK)
    assert tail == defects(), f"Put this behind the mark:\n{defects()}"


def test_the_page_names_every_set_and_revision():
    page = PAGE.read_text(encoding="utf-8")
    for name in list_datasets():
        assert f"| `{name}` |" in page
        for split in getattr(dataset(name), "SPLITS", ()):
            revision = split.partition("@")[2]
            assert f"`{split}`" in page or f"@{revision}`" in page
