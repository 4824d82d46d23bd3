"""MUSIC-AVQA-v2.0 (Liu et al. 2024): MUSIC-AVQA with rare answers added to balance its templates.

    <clone>/data/balance_full_set/{train,test}_balance.json      `train@balance`, `test@balance`
    <clone>/data/bias_set/{train,test}_bias.json                 `train@bias`, `test@bias`
    <clone>/data/MUSIC-AVQA-v2.0_additional_videos.csv           the new videos, needed to load
    QA-TIGER/data/annots/music_avqa_v2/balance_{train,valid}.json `train@balance-cut`, `val@balance`
    QA-TIGER/data/annots/music_avqa_v2/bias_{train,valid}.json   `train@bias-cut`, `val@bias`
    <clone>/data/video/**/<video_id>.mp4                         new videos; old ones as MUSIC-AVQA

v2 has no validation file: QA-TIGER cut its training files in two. Train on `-cut` if you validate
on `val`, as the whole training file holds the rows of `val`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from musicavqa.datasets import music_avqa, official, sources, tables
from musicavqa.datasets.sources import Defect, File, Repository
from musicavqa.records import Clip, Question

CITATION = (
    "Xiulong Liu, Zhikang Dong, Peng Zhang: Tackling Data Bias in MUSIC-AVQA: Crafting a Balanced "
    "Dataset for Unbiased Question-Answering. WACV 2024. Validation cut: QA-TIGER (CVPR 2025)."
)
LICENCE = (
    "GPL-3.0 by the repository, research use only by its read-me; the validation cut has no "
    "licence file. Take it as non-commercial; it is not shipped here."
)
REPOSITORY = Repository(
    "DragonLiu1995/MUSIC-AVQA-v2.0",
    "7db4f5480dcf833d4aa588235bc7a533c57c1719",
    "music_avqa_v2",
    ("data",),
)
QA_TIGER = Repository(
    "AIM-SKKU/QA-TIGER", "f40bd027236ed7ab29ad1e6effad286559cc41f1", "qa_tiger", ("data/annots",)
)
NEW_CLIPS = File(
    REPOSITORY,
    "MUSIC-AVQA-v2.0_additional_videos.csv",
    1040,
    26069,
    "8aa0670d21252285bd4b7acab624b33e2373bd98",
)


def _v2(name: str, rows: int | None, size: int | None, blob: str) -> File:
    return File(REPOSITORY, name, rows, size, blob)


def _cut(name: str, rows: int | None, size: int | None, blob: str) -> File:
    return File(QA_TIGER, f"music_avqa_v2/{name}.json", rows, size, blob)


SPLITS = {
    "train@balance": _v2("balance_full_set/train_balance.json", None, None,
        "5b5ef1934f4f538a2ea15aa853ba34bfe52ff29a"),
    "test@balance": _v2("balance_full_set/test_balance.json", 10819, 2889309,
        "b78957e2ea85d6e932ef220aacd94d9a4b41a852"),
    "train@bias": _v2("bias_set/train_bias.json", None, None,
        "fd92f964a630e4f321a1ab56b3641757791ab6e8"),
    "test@bias": _v2("bias_set/test_bias.json", 9119, 2464700,
        "b53e69bf83d061fa90b3c54e5e4c5d87cc5f32c8"),
    "train@balance-cut": _cut("balance_train", None, None,
        "fce92b7be3c86406acd4782f708cf9069d2dea31"),
    "val@balance": _cut("balance_valid", 5346, 2235904,
        "2abbe6bd5fc240a7ddd3e0075fffc68a7dffe848"),
    "train@bias-cut": _cut("bias_train", None, None,
        "22b37bf43d6deee82e517efc6945e1a3e28fc6f6"),
    "val@bias": _cut("bias_valid", 4499, 1889510,
        "312a783af6c9b0dd0eb406ebac09f2046a6b5458"),
}  # fmt: skip
FILES = (NEW_CLIPS, *SPLITS.values())

DEFECTS = (
    Defect(
        "no_question_id",
        "Rows without `question_id`, most of them about new videos",
        {"test@balance": 1724, "test@bias": 600, "val@balance": 826, "val@bias": 259},
        "Keys go by position.",
    ),
    Defect(
        "no_question_deleted",
        "Rows without `question_deleted`",
        {"test@balance": 544, "test@bias": 131},
        "Taken as not deleted.",
    ),
    Defect(
        "key_sets",
        "Different sets of columns in one file",
        {"test@balance": 5, "test@bias": 5, "val@balance": 1, "val@bias": 1},
        "Each is checked against the columns known.",
    ),
    Defect(
        "replaced_sound",
        "`unmatch_audio`: the sound must be that of another video, or the answer is wrong",
        {"test@balance": 226, "test@bias": 29, "val@balance": 101, "val@bias": 20},
        "`Question.sound_from`; `train` and `predict` take the sound streams from that clip.",
    ),
    Defect(
        "real_lists",
        "`templ_values` is a real list instead of a string",
        {"test@balance": 226, "test@bias": 29, "val@balance": 101, "val@bias": 20},
        "Both are read.",
    ),
    Defect(
        "person_column",
        "A left-over column `person` that says 'True'",
        {"test@balance": 6, "test@bias": 2, "val@balance": 2},
        "Checked and ignored.",
    ),
    Defect(
        "float_ids",
        "QA-TIGER's cut went through a table library: ids are floats",
        {"val@balance": 4520, "val@bias": 4240},
        "Whole floats are read as numbers, null as absent.",
    ),
    Defect(
        "repeated_questions",
        "A question is asked twice of one video",
        {"test@balance": 14, "test@bias": 2},
        "Both rows are kept and have keys of their own.",
    ),
    Defect(
        "contradictions",
        "Questions asked twice of one video, with two different answers",
        {"test@balance": 11, "test@bias": 2},
        "Both rows are kept; nobody can score 100 %.",
    ),
    Defect(
        "changed_answers",
        "MUSIC-AVQA has another answer, of 8,176 and 7,686 questions whose answer there is known",
        {"test@balance": 81, "test@bias": 21},
        "Kept as v2 has them. For 37 and 5 of them the sound was replaced too.",
    ),
    Defect(
        "test_of_v1",
        "Rows that are MUSIC-AVQA test questions (by id)",
        {"test@balance": 5525, "test@bias": 5399, "val@balance": 431, "val@bias": 376},
        "`train`, `predict` and `evaluate` warn and can drop them (--drop-leaks).",
    ),
    Defect(
        "val_of_v1",
        "Rows that are MUSIC-AVQA val questions (by id)",
        {"test@balance": 416, "test@bias": 363, "val@balance": 487, "val@bias": 481},
        "As above.",
    ),
    Defect(
        "val_in_test",
        "Questions of val that test@balance asks too, of the same video",
        {"val@balance": 8},
        "As above, but for the 4 whose sound was replaced in one of the two.",
    ),
    Defect(
        "mirrored_clips",
        "Rows about mirrored clips, named as the original with `_flip`",
        {"test@balance": 69, "test@bias": 12, "val@balance": 36, "val@bias": 3},
        "A clip of its own; the leak guard does not take it for its original.",
    ),
    Defect(
        "table_of_new_videos",
        "The csv has a byte-order mark, and calls `suffix` what the read-me calls prefix",
        {"rows": 1040, "clips": 1230},
        "Read as it is; every new video id must be in it.",
    ),
    Defect(
        "unbalanced_templates",
        "Templates whose top answer exceeds the rule (60 % of two answers, else 50 %)",
        {"test@balance": 4, "test@bias": 16, "val@balance": 5, "val@bias": 14},
        "Nothing to do.",
    ),
)

_CLIP = re.compile(r"[\w-]{11}")
_TIME = re.compile(r"([0-9]{1,2}):([0-5][0-9])")
_LAYOUT = official.Layout(
    required=("video_id", "type", "question_content", "templ_values", "anser"),
    optional=(
        "question_id", "question_deleted", "unmatch_audio", "audio_instrument",
        "video_instrument", "person",
    ),
)  # fmt: skip


def load(root: Path, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of a split; FileNotFoundError or ValueError in one line.

    Where the sound track has to be replaced, `Question.sound_from` names the clip it comes from,
    and that clip is among the clips too.
    """
    path = sources.locate(root, SPLITS, split, "music_avqa_v2")
    added = read_new_clips(sources.locate(root, {"csv": NEW_CLIPS}, "csv", "music_avqa_v2"))
    layout = replace(_LAYOUT, origin=lambda id: "real" if id in added else official.family(id))
    questions = official.read_questions(path, f"music_avqa_v2/{split}", layout)
    media = sources.media_files(root, (REPOSITORY, music_avqa.REPOSITORY))
    return official.to_clips(questions, media, added), questions


def splits(root: Path) -> list[str]:
    """The splits whose files are under `root`."""
    return sources.present(root, SPLITS, "music_avqa_v2")


def read_new_clips(path: Path) -> dict[str, float]:
    """Clip id -> seconds of the clips that v2 added.

    A row is a stretch of a YouTube video; `suffix` tells stretches of one video apart, and with
    `has_flip` there is a mirrored clip too. (The read-me calls that column `prefix`.)
    """
    found: dict[str, float] = {}
    for index, row in enumerate(tables.read_csv(path)):
        try:
            found.update(_clips_of(row))
        except ValueError as error:
            raise ValueError(f"{path} row {index}: {error}") from None
    if not found:
        raise ValueError(f"{path} holds no rows.")
    return found


def _clips_of(row: dict[str, str]) -> dict[str, float]:
    columns = ("video_id", "start_time", "duration", "suffix", "has_flip")
    official.check_columns(row, columns, ())
    name = row["video_id"] + row["suffix"]
    minutes = _TIME.fullmatch(row["duration"])
    if not _CLIP.fullmatch(row["video_id"]) or row["has_flip"] not in ("Y", "N") or not minutes:
        raise ValueError(f"{official.show(list(row.values()))} is no stretch of a YouTube video.")
    seconds = 60.0 * int(minutes[1]) + int(minutes[2])
    return {name: seconds, f"{name}_flip": seconds} if row["has_flip"] == "Y" else {name: seconds}
