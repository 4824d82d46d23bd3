"""What DATA.md says of the real annotation files, counted on them; skipped where they are absent.

Numbers stand here only where no data set file states them: rows are in `FILES`, faults in
`DEFECTS`, and both are compared with the files.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from functools import cache

import pytest

from musicavqa.answers import ANSWERS
from musicavqa.datasets import dataset, leaks, official, sources
from musicavqa.datasets.music_avqa_v2 import NEW_CLIPS, read_new_clips
from musicavqa.datasets.sources import find
from musicavqa.questions import CELLS, TEMPLATES
from musicavqa.records import Question
from official_rows import SHARED

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real annotation files are not on this machine"
)
V1, V2 = "music_avqa", "music_avqa_v2"
PARTIAL = SHARED / "music_avqa/reconstructed/avqa-train_partial.json"


@cache
def questions(name: str, split: str) -> tuple[Question, ...]:
    return tuple(dataset(name).load(SHARED, split)[1])


@cache
def rows(name: str, split: str) -> list[dict]:
    return json.loads(find(SHARED, dataset(name).SPLITS[split]).read_bytes())


@cache
def partial_train() -> tuple[Question, ...]:
    return tuple(official.read_questions(PARTIAL, "music_avqa/train@partial"))


def available(name: str) -> list[str]:
    return dataset(name).splits(SHARED) if SHARED.is_dir() else []


def clips(found) -> set[str]:
    return {question.clip for question in found}


def ids(name: str, split: str) -> dict[int, dict]:
    """question_id -> its last row."""
    return {int(r["question_id"]): r for r in rows(name, split) if r.get("question_id") is not None}


@cache
def v1_ids(split: str) -> frozenset[int]:
    return frozenset(ids(V1, split))


def repeats(found) -> list[list[str | None]]:
    """The answers of every question that is asked more than once of one clip."""
    groups = defaultdict(list)
    for question in found:
        groups[question.clip, question.template, question.slots].append(question.answer)
    return [group for group in groups.values() if len(group) > 1]


def repeated_ids(name: str, split: str) -> int:
    answers = defaultdict(list)
    for row in rows(name, split):
        answers[row["question_id"]].append(row["anser"])
    return sum(len(group) == 2 and len(set(group)) == 2 for group in answers.values())


@cache
def v1_answers() -> tuple[dict, dict]:
    """Answers of MUSIC-AVQA by question_id and by what is asked, from files of v1 only."""
    known = [*rows(V1, "test"), *rows(V1, "val")]
    known += [row for row in json.loads(PARTIAL.read_bytes()) if row["source"][:2] != "v2"]
    asked = official.to_questions(known, "v1")
    by_content = {(q.clip, q.template, q.slots): q.answer for q in asked}
    return {row["question_id"]: row["anser"] for row in known}, by_content


def answers_before(split: str) -> list[tuple[Question, str]]:
    """Questions of v2 with their answer in v1, where that is known."""
    by_id, by_content = v1_answers()
    found = []
    for row, q in zip(rows(V2, split), questions(V2, split), strict=True):
        if row.get("question_id") is not None:
            before = by_id.get(row["question_id"])
        else:
            before = by_content.get((q.clip, q.template, q.slots))
        found += [(q, before)] if before is not None else []
    return found


def changed_answers(_: str, split: str) -> int:
    return sum(question.answer != before for question, before in answers_before(split))


def unbalanced(name: str, split: str) -> int:
    """Templates whose top answer has over 60 % (of two possible answers) or over 50 %."""
    two = {n for n, found in possible_answers().items() if len(found) == 2}
    counts = defaultdict(Counter)
    for question in questions(name, split):
        counts[question.template][question.answer] += 1
    return sum(max(c.values()) > (0.6 if n in two else 0.5) * c.total() for n, c in counts.items())


@cache
def possible_answers() -> dict[int, set[str | None]]:
    found = defaultdict(set)
    for question in partial_train():
        found[question.template].add(question.answer)
    return found


def new_clips(_: str, what: str) -> int:
    path = find(SHARED, NEW_CLIPS)
    text = path.read_bytes().decode("utf-8-sig")
    if what == "rows":
        assert path.read_bytes().startswith(b"\xef\xbb\xbf")
        assert text.splitlines()[0].split(",")[3] == "suffix"
    return len(text.splitlines()) - 1 if what == "rows" else len(read_new_clips(path))


def count(test):
    """A counter of the rows of which `test` is true."""
    return lambda name, split: sum(bool(test(row)) for row in rows(name, split))


def not_in_update(_: str, split: str) -> int:
    return len(v1_ids(split) - v1_ids("test") - v1_ids("val"))


COUNTERS = {
    "repeated_ids": repeated_ids,
    "repeated_questions": lambda name, split: len(
        [g for g in repeats(questions(name, split)) if name == V2 or len(set(g)) < 2]
    ),
    "dropped_by_update": not_in_update,
    "strings_that_hold_lists": count(
        lambda r: (
            isinstance(json.loads(r["type"]), list)
            and isinstance(json.loads(r["templ_values"]), list)
        )
    ),
    "trailing_blanks": count(lambda r: r["question_content"].endswith("? ")),
    "full_width_marks": count(lambda r: r["question_content"].endswith("\uff1f")),
    "leftest": count(lambda r: re.search("leftest|rightest", r["templ_values"])),
    "leftover_columns": count(lambda r: r["question_deleted"] == 0 and "anser" in r),
    "shared_videos": lambda name, split: len(
        clips(questions(name, split)) & clips(questions(name, "val"))
    ),
    "missing_templates": lambda name, split: 33 - len({q.template for q in questions(name, split)}),
    "missing_answers": lambda name, split: len(
        set(ANSWERS) - {q.answer for q in questions(name, split)}
    ),
    "no_question_id": count(lambda r: r.get("question_id") is None),
    "no_question_deleted": count(lambda r: "question_deleted" not in r),
    "key_sets": lambda name, split: len({frozenset(row) for row in rows(name, split)}),
    "replaced_sound": count(lambda r: r.get("unmatch_audio")),
    "real_lists": count(lambda r: isinstance(r["templ_values"], list)),
    "person_column": count(lambda r: r.get("person")),
    "float_ids": count(lambda r: isinstance(r.get("question_id"), float)),
    "contradictions": lambda name, split: len(
        [group for group in repeats(questions(name, split)) if len(set(group)) > 1]
    ),
    "changed_answers": changed_answers,
    "test_of_v1": lambda name, split: len(set(ids(name, split)) & v1_ids("test")),
    "val_of_v1": lambda name, split: len(set(ids(name, split)) & v1_ids("val")),
    "val_in_test": lambda name, split: len(
        {(q.clip, q.template, q.slots) for q in questions(name, split)}
        & {(q.clip, q.template, q.slots) for q in questions(name, "test@balance")}
    ),
    "mirrored_clips": count(lambda r: r["video_id"].endswith("_flip")),
    "table_of_new_videos": new_clips,
    "unbalanced_templates": unbalanced,
}


@pytest.mark.parametrize(
    ("name", "defect", "split"),
    [
        (name, defect.name, split)
        for name in (V1, V2)
        for defect in dataset(name).DEFECTS
        for split in defect.counts
    ],
)
def test_a_defect_is_as_frequent_as_stated(name, defect, split):
    stated = {item.name: item.counts for item in dataset(name).DEFECTS}
    assert COUNTERS[defect](name, split) == stated[defect][split]


@pytest.mark.parametrize(
    ("name", "split"), [(name, split) for name in (V1, V2) for split in available(name)]
)
def test_every_row_of_a_real_file_becomes_a_question(name, split):
    file, found = dataset(name).SPLITS[split], questions(name, split)
    assert len(found) == len(rows(name, split)) == file.rows
    assert [q.key for q in found] == [f"{name}/{split}/{i}" for i in range(len(found))]
    assert [q.answer for q in found] == [row["anser"] for row in rows(name, split)]
    assert [q.clip for q in found] == [row["video_id"] for row in rows(name, split)]


@pytest.mark.parametrize("name", [V1, V2])
def test_the_files_here_are_intact(name):
    findings = sources.check(SHARED, dataset(name).FILES)
    assert {finding.state for finding in findings} == {"here", "missing"}
    here = [finding for finding in findings if finding.state == "here"]
    assert {len(f.path.read_bytes()) for f in here} == {f.file.bytes for f in here}


CELL_COUNTS = {  # DATA.md 4.4, in the order of questions.CELLS
    (V1, "test"): (1017, 594, 1197, 1225, 988, 1265, 920, 1101, 822),
    (V1, "val"): (511, 295, 600, 613, 495, 633, 461, 549, 411),
    (V1, "test@json"): (1022, 601, 1199, 1228, 995, 1274, 927, 1115, 824),
    (V1, "val@json"): (515, 299, 600, 614, 499, 635, 462, 557, 414),
    (V2, "test@balance"): (1382, 643, 1505, 1338, 1223, 1740, 920, 1101, 967),
    (V2, "test@bias"): (1022, 607, 1222, 1230, 901, 1292, 920, 1101, 824),
    (V2, "val@balance"): (686, 314, 737, 664, 594, 861, 460, 549, 481),
    (V2, "val@bias"): (506, 295, 596, 611, 433, 638, 460, 549, 411),
}


@pytest.mark.parametrize(("name", "split"), CELL_COUNTS)
def test_cells_are_as_frequent_as_published(name, split):
    found = Counter(question.cell for question in questions(name, split))
    assert tuple(found[cell] for cell in CELLS) == CELL_COUNTS[name, split]


def test_the_partial_training_set_can_be_read():
    found = Counter(question.cell for question in partial_train())
    assert tuple(found[cell] for cell in CELLS) == (
        2236, 1625, 2480, 2436, 3459, 4425, 3214, 3836, 2878,
    )  # fmt: skip
    assert len(partial_train()) == 26589


def test_real_and_fake_files_are_the_whole_and_told_by_the_video():
    for part in ("test", "val"):
        whole = Counter(q.clip for q in questions(V1, f"{part}@json"))
        real, fake = questions(V1, f"{part}_real@json"), questions(V1, f"{part}_fake@json")
        assert Counter(q.clip for q in (*real, *fake)) == whole
        assert {q.origin for q in real} == {"real"}
        assert {q.origin for q in fake} == {"va", "sa", "vv", "eva", "esa", "evv"}


def test_videos_of_every_family_are_as_many_as_stated():
    everything = [*partial_train()]
    for split in available(V1):
        everything += questions(V1, split)
    families = Counter({q.clip: q.origin for q in everything}.values())
    assert families == {
        "real": 7418, "va": 488, "sa": 488, "vv": 236, "eva": 264, "esa": 263, "evv": 127
    }  # fmt: skip
    assert len(clips(partial_train()) & clips(questions(V1, "test"))) == 6247


def test_the_disjoint_splits_share_no_video_and_the_official_ones_do():
    val, test = clips(questions(V1, "val@disjoint")), clips(questions(V1, "test@disjoint"))
    assert (len(val), len(test), len(val & test)) == (929, 1858, 0)
    assert len(clips(questions(V1, "test"))) == 6399


def test_the_update_is_another_version_of_the_same_ids():
    before, after = v1_ids("test@json") | v1_ids("val@json"), v1_ids("test") | v1_ids("val")
    assert before - after == {47300}
    assert not after - before
    old, new = ids(V1, "test@json")[27558], ids(V1, "test")[27558]
    assert old["question_content"] != new["question_content"]


def test_every_original_is_told_by_video_type_and_answer():
    """What the loader of -R and FortisAVQA relies on for rows without an id."""
    found = Counter((q.clip, q.cell, q.answer) for q in questions(V1, "test"))
    assert set(found.values()) == {1}


def test_v2_key_sets_are_as_frequent_as_stated():
    v1 = set(official.COLUMNS)
    sound = {"unmatch_audio", "audio_instrument", "video_instrument"}
    no_id, short = v1 - {"question_id"}, v1 - {"question_id", "question_deleted"}
    for split, numbers in (
        ("test@balance", (9095, 1180, 312, 226, 6)),
        ("test@bias", (8519, 469, 100, 29, 2)),
    ):
        found = Counter(frozenset(row) for row in rows(V2, split))
        sets = (v1, no_id, short, short | sound, short | {"person"})
        assert tuple(found[frozenset(keys)] for keys in sets) == numbers


def test_replaced_sound_is_always_the_same_question_and_its_clip_is_loaded():
    for split in available(V2):
        loaded, found = dataset(V2).load(SHARED, split)
        dubbed = [q for q in found if q.sound_from is not None]
        assert {(q.template, q.answer) for q in dubbed} == {(17, "no")}
        assert {q.sound_from for q in dubbed} <= {clip.id for clip in loaded}


def test_some_changed_answers_are_due_to_a_replaced_sound():
    for split, numbers in (("test@balance", (8176, 37)), ("test@bias", (7686, 5))):
        before = answers_before(split)
        dubbed = [q for q, answer in before if q.answer != answer and q.sound_from is not None]
        assert (len(before), len(dubbed)) == numbers


def test_val_shares_four_questions_with_test_when_the_sound_counts():
    seen = leaks.seen_in(questions(V2, "test@balance"))
    assert leaks.overlap(list(questions(V2, "val@balance")), seen).n_pairs == 4


def test_test_bias_is_part_of_test_balance():
    whole = Counter(json.dumps(row, sort_keys=True) for row in rows(V2, "test@balance"))
    part = Counter(json.dumps(row, sort_keys=True) for row in rows(V2, "test@bias"))
    assert part <= whole


def test_all_new_videos_are_in_the_table():
    added = read_new_clips(find(SHARED, NEW_CLIPS))
    new = {c for s in available(V2) for c in clips(questions(V2, s)) if not official.family(c)}
    assert (len(new), new <= set(added)) == (907, True)
    assert Counter(added.values()).most_common(1)[0][0] == 60.0


@pytest.mark.parametrize(
    ("split", "seen_split", "numbers"),  # DATA.md 5: rows with an id, then rows without
    [
        ("test@balance", "test", (5525, 17)),
        ("test@balance", "val", (416, 8)),
        ("test@bias", "test", (5399, 4)),
        ("test@bias", "val", (363, 0)),
    ],
)
def test_the_leak_guard_counts_what_v2_shares_with_v1(split, seen_split, numbers):
    """DATA.md ignores that a replaced sound track makes another question; here it counts."""
    found = list(questions(V2, split))
    shared = leaks.overlap(found, leaks.seen_in(questions(V1, seen_split)))
    dubbed = {q.key for q in found if q.sound_from is not None}
    silent = leaks.overlap(
        [Question(q.key, q.clip, q.text, q.template, q.slots, q.cell) for q in found],
        leaks.seen_in(questions(V1, seen_split)),
    )
    assert len(silent.keys) == sum(numbers)
    assert shared.keys == silent.keys - dubbed


def test_v1_splits_share_no_question():
    shared = leaks.overlap(list(questions(V1, "test")), leaks.seen_in(questions(V1, "val")))
    assert (shared.n_pairs, shared.n_shared_clips, shared.n_clips) == (0, 2296, 6399)


def test_there_are_33_templates_in_the_real_files():
    assert {q.template for q in questions(V1, "test")} == {item.number for item in TEMPLATES}
