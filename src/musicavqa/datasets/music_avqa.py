"""MUSIC-AVQA (Li et al. 2022): 45,867 questions about 9,288 videos; the revised files have 45,624.

<clone>/data/json_update/avqa-{train,val,test}.json   the revision most papers since 2023 use
<clone>/data/json/avqa-{train,val,test}.json          the original release: `@json`
<clone>/data/json/avqa-*_{real,fake}.json             its real and its synthetic videos
TSPM/dataset/split_video_id/music_avqa_*.json         no video in two splits: `@disjoint`
<clone>/data/video/**/<video_id>.mp4                  the videos, where you have them
"""

from __future__ import annotations

from pathlib import Path

from musicavqa.datasets import official, sources
from musicavqa.datasets.sources import Defect, File, Repository
from musicavqa.records import Clip, Question

CITATION = (
    "Guangyao Li, Yake Wei, Yapeng Tian, Chenliang Xu, Ji-Rong Wen, Di Hu: Learning to Answer "
    "Questions in Dynamic Audio-Visual Scenarios. CVPR 2022. Splits @disjoint: Guangyao Li, "
    "Henghui Du, Di Hu: Boosting Audio Visual Question Answering via Key Semantic-Aware Cues. "
    "ACM Multimedia 2024."
)
LICENCE = (
    "CC BY-NC 4.0 by the project page, MIT by the repository (its read-me once said GPL-3.0); "
    "@disjoint has no licence file. Take it as non-commercial; it is not shipped here."
)
REPOSITORY = Repository(
    "GeWu-Lab/MUSIC-AVQA", "cc8809514a2ee3d7ae81a3021c15e7c0679170d7", "music_avqa", ("data",)
)
TSPM = Repository("GeWu-Lab/TSPM", "0106ce4127b8aa6728ee09439a59fbe7f19fe2f4", "tspm", ("dataset",))


def _json(name: str, rows: int, size: int | None, blob: str) -> File:
    return File(REPOSITORY, f"{name}.json", rows, size, blob)


def _tspm(name: str, rows: int | None, size: int | None, blob: str) -> File:
    return File(TSPM, f"split_video_id/music_avqa_{name}.json", rows, size, blob)


SPLITS = {
    # split: file, rows, bytes, git blob id
    "train": _json("json_update/avqa-train", 31927, None,
        "dfb9233f598bb27ce6d2783ca377131a6ae2be2c"),
    "val": _json("json_update/avqa-val", 4568, 1241698,
        "dcda27ddfd5de55e8e5723b5ffe5b40d35efeabc"),
    "test": _json("json_update/avqa-test", 9129, 2479019,
        "84e8b4579b1bd62e5bf0b5e1e6545a3e68b39f88"),
    "train@json": _json("json/avqa-train", 32087, None,
        "d1da1c6da7ea5a523b93d0dc73444f3b69967528"),
    "val@json": _json("json/avqa-val", 4595, 1249258,
        "682bca7ad3a09969995ac9fe5d6378145e92797f"),
    "test@json": _json("json/avqa-test", 9185, 2494644,
        "835b8b552ce71548a04bfb50806d619f94bd5947"),
    "train_real@json": _json("json/avqa-train_real", 25854, None,
        "404f1e83e06c42c8b7875279f9788536e4ac3d9f"),
    "train_fake@json": _json("json/avqa-train_fake", 6233, 1690341,
        "96c434d376af93f317e4604a04db587d4422ab10"),
    "val_real@json": _json("json/avqa-val_real", 3698, 987464,
        "3551fddbfe19b30a9584ab011636068f344f54e1"),
    "val_fake@json": _json("json/avqa-val_fake", 897, 243412,
        "c6524b10130b77957fef57c44134f8c478a799be"),
    "test_real@json": _json("json/avqa-test_real", 7402, 1974404,
        "42b93144f1db772bb54aa6fa8e3ad51fec764c91"),
    "test_fake@json": _json("json/avqa-test_fake", 1783, 483498,
        "2e67fddad4c7c864267c6a7cb44b3fa22d98f48b"),
    "train@disjoint": _tspm("train", None, None,
        "bb24ca091b9ab32b995948837987050aac4d7e1f"),
    "val@disjoint": _tspm("val", 4571, 1236913,
        "5a47f52260406d5f1dee23a9be577182b488f8aa"),
    "test@disjoint": _tspm("test", 9125, 2476076,
        "81d2fa944850f64d041b18aff28419d508bdd49b"),
}  # fmt: skip
FILES = tuple(SPLITS.values())

DEFECTS = (
    Defect(
        "repeated_ids",
        "A question_id stands twice, with two different answers, so nobody can score 100 %",
        {"test@json": 55, "val@json": 27, "train_fake@json": 56},
        "Both rows are kept and have keys of their own; json_update has one of each.",
    ),
    Defect(
        "repeated_questions",
        "A question is asked twice of one video under two ids",
        {"train_fake@json": 3, "test@disjoint": 3, "val@disjoint": 2},
        "Both are kept.",
    ),
    Defect(
        "dropped_by_update",
        "Ids of json that json_update does not have at all (47300)",
        {"test@json": 1, "val@json": 0},
        "Nothing to do; 9,185 and 9,129 are both quoted as the number of test questions.",
    ),
    Defect(
        "strings_that_hold_lists",
        "`type` and `templ_values` are strings that hold JSON lists",
        {"test": 9129, "val": 4568, "test@json": 9185},
        "Decoded; a real list is accepted too.",
    ),
    Defect(
        "trailing_blanks",
        "Two templates end in a blank after the question mark",
        {"test": 589, "val": 288},
        "Kept in `Question.text`; tokenising and parsing strip it.",
    ),
    Defect(
        "full_width_marks",
        "One template ends in the full-width question mark U+FF1F",
        {"test": 427, "val": 203},
        "Kept in `Question.text`; tokenising and parsing take it for a question mark.",
    ),
    Defect(
        "leftest",
        "Slot values are spelt leftest and rightest",
        {"test": 286, "val": 135},
        "Kept.",
    ),
    Defect(
        "leftover_columns",
        "`question_deleted` says nothing: it is always 0; the answer column is spelt `anser`",
        {"test": 9129, "val": 4568},
        "Any other value of question_deleted is refused.",
    ),
    Defect(
        "shared_videos",
        "The split is by question: videos of test that val asks about too",
        {"test": 2296},
        "Splits @disjoint share no video; `train` warns of shared questions and videos.",
    ),
    Defect(
        "missing_templates",
        "Templates of the 33 that never occur",
        {"train_fake@json": 6},
        "Nothing to do.",
    ),
    Defect(
        "missing_answers",
        "Answers of the 42 that never occur (ten)",
        {"test": 1, "val": 1},
        "Nothing to do; the order of answers is fixed by the package.",
    ),
)


def load(root: Path, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of a split; FileNotFoundError or ValueError in one line."""
    path = sources.locate(root, SPLITS, split, "music_avqa")
    questions = official.read_questions(path, f"music_avqa/{split}")
    return official.to_clips(questions, sources.media_files(root, (REPOSITORY,))), questions


def splits(root: Path) -> list[str]:
    """The splits whose files are under `root`."""
    return sources.present(root, SPLITS, "music_avqa")
