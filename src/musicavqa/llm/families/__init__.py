"""Models of transformers that run in this process: one family, one row of `table`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from musicavqa.files import read_json
from musicavqa.llm.families.table import FAMILIES

if TYPE_CHECKING:
    from musicavqa.llm.contract import Opening
    from musicavqa.llm.families.local import LocalModel


def open_folder(folder: Path, opening: Opening) -> LocalModel:
    """The model in a folder as `save_pretrained` writes it; ValueError for a family not known."""
    from musicavqa.llm.families.local import LocalModel

    kind = read_json(folder / "config.json").get("model_type")
    if kind not in FAMILIES:
        raise ValueError(
            f"{folder} holds a model of type {kind!r}; known are {', '.join(FAMILIES)}. Serve it "
            "(vLLM, SGLang, transformers serve) and give SERVER:MODEL@URL."
        )
    return LocalModel.load(folder, FAMILIES[kind], opening)
