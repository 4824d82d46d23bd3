"""FortisAVQA (Ma et al. 2025): the questions of MUSIC-AVQA-R with another cut into head and tail.

    <root>/test.json, or FortisAVQA/test.json in a folder of clones    `test`
    MUSIC-AVQA beside it           the questions that are reworded, and the videos

The question file is not in the repository but behind the links of its read-me: save it as
test.json. Its part is the column `split` of each row. The file could not be seen when this was
written; the loader follows the example in the read-me, and was tested on rows made up in that
layout. The 1 % and 10 % samples for large models are no splits here, as their files are unknown.
"""

from __future__ import annotations

from pathlib import Path

from musicavqa.datasets import music_avqa, official, rephrased, sources
from musicavqa.datasets.sources import Defect, File, Repository
from musicavqa.records import Clip, Question

CITATION = (
    "Jie Ma, Zhitao Gao, Qi Chai, Jun Liu, Pinghui Wang, Jing Tao, Zhou Su: FortisAVQA and MAVEN: "
    "a Benchmark Dataset and Debiasing Framework for Robust Multimodal Reasoning. "
    "arXiv 2504.00487, 2025."
)
LICENCE = (
    "The repository has a licence file (GPL or MIT, its texts disagree), the question file none. "
    "Made from MUSIC-AVQA (CC BY-NC 4.0); it is not shipped here."
)
REPOSITORY = Repository(
    "reml-group/FortisAVQA", "0877e6d28f895c6d2863101e7b29711d968ff1fb", "fortisavqa", ()
)
SPLITS = {
    "test": File(
        REPOSITORY, "test.json", 211572, None, None, page="https://github.com/reml-group/fortisavqa"
    )
}
FILES = tuple(SPLITS.values())

DEFECTS = (
    Defect(
        "no_checksum",
        "Files without a published size or checksum",
        {"test": 1},
        "`data check` can only say that it is there.",
    ),
    Defect(
        "two_answer_groups",
        "Groups where the rule gives no head at all and the majority answer is labelled head",
        {"test": 3},
        "The rows' own labels are used.",
    ),
)
"""Counts from published tables; the file could not be counted."""


def load(root: Path, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of a split; FileNotFoundError or ValueError in one line."""
    path = sources.locate(root, SPLITS, split, "fortisavqa")
    originals = rephrased.Originals(root)
    rows, prefix = official.read_rows(path), f"fortisavqa/{split}"
    questions = rephrased.to_questions(path, rows, prefix, originals, rephrased.own_part)
    media = sources.media_files(root, (music_avqa.REPOSITORY,))
    return official.to_clips(questions, media), questions


def splits(root: Path) -> list[str]:
    """The splits whose files are under `root`."""
    return sources.present(root, SPLITS, "fortisavqa")
