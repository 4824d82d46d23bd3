"""Every data set through the one door, on files made up in the official layouts."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import musicavqa
from musicavqa.bandstand.exports import to_music_avqa, write_questions
from musicavqa.datasets import NAMES, dataset, official, sources
from musicavqa.datasets.music_avqa_v2 import read_new_clips
from musicavqa.questions import TEMPLATES
from official_rows import (
    official_row,
    official_rows,
    reworded,
    v2_rows,
    write,
    write_v1,
    write_v2,
)

load = musicavqa.load_dataset


def files_with_a_loader() -> set[str]:
    folder = Path(official.__file__).parent
    return {
        path.stem
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "load"
    }


def test_every_file_with_a_loader_is_a_data_set():
    assert set(musicavqa.list_datasets()) == files_with_a_loader()


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_says_what_it_is(name):
    module = dataset(name)
    assert module.CITATION
    assert module.LICENCE
    assert callable(module.splits)
    for file in module.FILES:
        assert isinstance(file, sources.File)
        assert file.address.startswith("https://")
        assert file.blob is None or len(bytes.fromhex(file.blob)) == 20
    for defect in module.DEFECTS:
        assert defect.counts
        assert defect.handling
    assert len({defect.name for defect in module.DEFECTS}) == len(module.DEFECTS)


def test_unknown_names_get_near_matches(tmp_path):
    with pytest.raises(ValueError, match="Did you mean music_avqa"):
        load("musicavqa", tmp_path, "test")
    with pytest.raises(ValueError, match=r"no split 'test@jsn'\. Did you mean test@json"):
        load("music_avqa", tmp_path, "test@jsn")


def test_a_missing_folder_or_file_says_where_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        load("music_avqa", tmp_path / "nowhere", "test")
    with pytest.raises(FileNotFoundError, match=r"https://github\.com/GeWu-Lab.*avqa-test\.json"):
        load("music_avqa", tmp_path, "test")


# ---- MUSIC-AVQA --------------------------------------------------------------------------------


@pytest.mark.parametrize("root", [".", "MUSIC-AVQA", "MUSIC-AVQA/data"])
def test_the_root_may_be_the_clones_one_clone_or_its_data_folder(tmp_path, root):
    rows = official_rows()
    write_v1(tmp_path, rows)
    clips, questions = load("music_avqa", tmp_path / root, "test")
    assert len(questions) == len(rows)
    assert [clip.id for clip in clips] == [f"{i:08d}" for i in range(33)]
    assert all((clip.path, clip.duration_s) == (None, 60.0) for clip in clips)
    assert dataset("music_avqa").splits(tmp_path / root) == ["test"]


def test_a_question_has_everything_its_row_says(tmp_path):
    row = official_row(26, 7, "eva00000012") | {
        "templ_values": '["violin", "left", "cello", "right"]',
        "anser": "yes",
    }
    write_v1(tmp_path, [official_row(1, 0), row])
    _, (_, question) = load("music_avqa", tmp_path, "test")
    assert question.key == "music_avqa/test/1"
    assert question.text == "Is the violin on the left louder than the cello on the right?"
    assert (question.template, question.cell, question.answer) == (26, "AV-Comparative", "yes")
    assert question.slots == ("violin", "left", "cello", "right")
    assert (question.clip, question.origin) == ("eva00000012", "eva")


def test_reading_and_writing_the_official_format_are_inverse():
    rows = official_rows()
    questions = official.to_questions(rows, "music_avqa/test")
    assert to_music_avqa(questions) == rows


def test_a_repeated_id_is_two_questions(tmp_path):
    row = official_row(16, 3) | {"anser": "no"}
    write_v1(tmp_path, [row, row | {"anser": "yes"}])
    _, questions = load("music_avqa", tmp_path, "test")
    assert [(q.key, q.answer) for q in questions] == [
        ("music_avqa/test/0", "no"),
        ("music_avqa/test/1", "yes"),
    ]


def test_videos_are_found_in_folders_below_video_and_doubles_are_refused(tmp_path):
    write_v1(tmp_path, official_rows(4))
    video = tmp_path / "MUSIC-AVQA/data/video/real/00000001.mp4"
    video.parent.mkdir(parents=True)
    video.touch()
    clips, _ = load("music_avqa", tmp_path, "test")
    assert [clip.path for clip in clips] == [None, video]
    (tmp_path / "MUSIC-AVQA/data/video/00000001.mp4").touch()
    with pytest.raises(ValueError, match="00000001 has two files"):
        load("music_avqa", tmp_path, "test")


ROW = official_row(3, 0) | {"templ_values": '["violin"]'}
BAD_ROWS = {
    "changed column": ({**{k: v for k, v in ROW.items() if k != "anser"}, "answer": "yes"},
                       "column 'anser' is missing. There is 'answer' instead"),
    "new column": (ROW | {"weight": 1}, "column 'weight' is unknown"),
    "unknown template": (ROW | {"question_content": "Is there a <Object> sound"},
                         "none of the 33 templates. The nearest is 'Is there a <Object> sound?'"),
    "too few slots": (ROW | {"templ_values": "[]"}, "has 1 slots, got 0"),
    "unknown slot value": (ROW | {"templ_values": '["kazoo"]'}, "'kazoo' cannot fill <Object>"),
    "broken slots": (ROW | {"templ_values": '["violin"'}, "not a list in JSON"),
    "slots of numbers": (ROW | {"templ_values": "[3]"}, "not a list of words"),
    "answer outside the 42": (ROW | {"anser": "violins"}, "none of the 42 answers. Did you mean"),
    "answer of another kind": (ROW | {"anser": ["yes"]}, "not one of the 42 answers"),
    "type of another template": (ROW | {"type": '["Visual", "Counting"]'}, "does not fit"),
    "video of no kind": (ROW | {"video_id": "xx00000001"}, "'xx00000001' is no video"),
    "video as a number": (ROW | {"video_id": 12}, "12 is no video"),
    "id as a text": (ROW | {"question_id": "12"}, "not a whole number"),
    "id as a truth": (ROW | {"question_id": True}, "not a whole number"),
    "no id": (ROW | {"question_id": None}, "question_id is None"),
    "deleted": (ROW | {"question_deleted": 1}, "question_deleted is 1"),
    "no object": (["video_id"], "not an object"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_named_with_its_file_and_place(tmp_path, case):
    row, told = BAD_ROWS[case]
    path = write_v1(tmp_path, [ROW, row])
    with pytest.raises(ValueError) as error:  # noqa: PT011  the text is checked below
        load("music_avqa", tmp_path, "test")
    assert f"{path} row 1" in str(error.value)
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"[{", b"{}", b"[]", b"\xff\xfe[]", b"[" * 100_000])
def test_a_file_that_holds_no_rows_is_refused(tmp_path, content):
    path = write_v1(tmp_path, [])
    path.write_bytes(content)
    with pytest.raises(ValueError, match=str(path)):
        load("music_avqa", tmp_path, "test")


# ---- MUSIC-AVQA-v2.0 ---------------------------------------------------------------------------


def test_every_key_set_of_v2_is_read(tmp_path):
    write_v2(tmp_path, v2_rows())
    clips, questions = load("music_avqa_v2", tmp_path, "test@balance")
    assert len(questions) == 7
    assert [q.sound_from for q in questions if q.sound_from] == ["00000009"]
    assert questions[3].origin == "sa"
    seconds = {clip.id: clip.duration_s for clip in clips}
    assert seconds["ab-DEF_hijk_#02_flip"] == 54.0
    assert seconds["00000009"] == 60.0  # only heard, never asked about


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"video_id": "ab-DEF_hijk"}, "is no video"),  # without the suffix it is another clip
        ({"unmatch_audio": "nothing"}, "unmatch_audio 'nothing' is no video"),
        ({"audio_instrument": "kazoo"}, "none of the 22 instruments"),
        ({"person": True}, "not 'True'"),
    ],
)
def test_v2_columns_are_checked(tmp_path, change, told):
    rows = v2_rows()
    write_v2(tmp_path, [rows[0], rows[5] | change])
    with pytest.raises(ValueError, match=told):
        load("music_avqa_v2", tmp_path, "test@balance")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("video_id,start_time,duration,prefix,has_flip\n", "holds no rows"),
        ("video_id,start_time,duration,prefix,has_flip\nab-DEF_hijk,0:00,1:00,,N\n", "'suffix'"),
        ("video_id,start_time,duration,suffix,has_flip\nab-DEF_hijk,0:00,1:00\n", "3 columns"),
        ("video_id,start_time,duration,suffix,has_flip\nab-DEF_hijk,0:00,60,,N\n", "no stretch"),
        ("video_id,video_id\n1,2\n", "two columns"),
        ("", "empty"),
    ],
)
def test_a_changed_csv_is_refused(tmp_path, text, told):
    path = tmp_path / "new.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        read_new_clips(path)


# ---- MUSIC-AVQA-R and FortisAVQA ---------------------------------------------------------------


def write_r(root: Path, **rows: list[dict]) -> None:
    for name, found in rows.items():
        write(root / f"MUSIC-AVQA-R/dataset/MUSIC-AVQA-R/avqa-test-{name}.json", found)


@pytest.fixture
def originals(tmp_path) -> list[dict]:
    rows = [
        official_row(3, 0) | {"templ_values": '["violin"]', "anser": "yes"},
        official_row(16, 1) | {"anser": "no"},
    ]
    write_v1(tmp_path, rows)
    return rows


def test_a_wording_has_template_and_slots_of_its_original(tmp_path, originals):
    head = [
        reworded(originals[0], "Can a violin be heard"),
        reworded(originals[0], "Do you hear any <Object>?", templ_values='["violin"]'),
    ]
    tail = [reworded(originals[1], "Does a narrator speak?")]
    write_r(tmp_path, headtail=[tail[0], *head], head=head, tail=tail)
    clips, questions = load("music_avqa_r", tmp_path, "test")
    assert [q.text for q in questions] == [
        "Does a narrator speak?",
        "Can a violin be heard",
        "Do you hear any violin?",
    ]
    assert [(q.template, q.slots, q.cell) for q in questions[:2]] == [
        (16, (), "AV-Existential"),
        (3, ("violin",), "A-Counting"),
    ]
    assert [q.part for q in questions] == ["tail", "head", "head"]
    assert [q.rephrases for q in questions] == [f"music_avqa/test/{i}" for i in (1, 0, 0)]
    assert [q.key for q in questions] == [f"music_avqa_r/test/{i}" for i in range(3)]
    assert [clip.id for clip in clips] == ["00000001", "00000000"]
    assert [q.part for q in load("music_avqa_r", tmp_path, "head")[1]] == ["head", "head"]
    assert [q.part for q in load("music_avqa_r", tmp_path, "tail")[1]] == ["tail"]


def test_a_wording_without_id_is_found_by_video_type_and_answer(tmp_path, originals):
    row = reworded(originals[1], "Does a narrator speak?")
    del row["question_id"]
    write_r(tmp_path, tail=[row])
    assert load("music_avqa_r", tmp_path, "tail")[1][0].template == 16


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"question_id": 99}, "no single question with question_id 99"),
        ({"anser": "yes"}, "for question_id 2, the row has"),
        ({"video_id": "00000007"}, "for question_id 2, the row has"),
        ({"question_id": None, "video_id": "00000007"}, "with this video, type and answer"),
        ({"type": '["Audio", "Existential"]'}, "none of the nine"),
        ({"question_content": "  "}, "not a question"),
        ({"question_content": "Is <Object> there?"}, "templ_values is None"),
        ({"question_content": "Is <A> there?", "templ_values": "[]"}, "has 1 slots, the row 0"),
    ],
)
def test_a_wording_that_cannot_be_traced_is_refused(tmp_path, originals, change, told):
    good = reworded(originals[1], "Does a narrator speak?")
    write_r(tmp_path, tail=[good, good | change])
    with pytest.raises(ValueError, match=f"row 1: .*{told}"):
        load("music_avqa_r", tmp_path, "tail")


def test_a_row_in_neither_part_is_refused(tmp_path, originals):
    rows = [reworded(originals[0], "Can a violin be heard")]
    write_r(tmp_path, headtail=rows, head=[reworded(originals[1], "Who talks?")], tail=rows[:0])
    write_r(tmp_path, tail=[reworded(originals[1], "Who is it?")])
    with pytest.raises(ValueError, match="neither the head nor the tail"):
        load("music_avqa_r", tmp_path, "test")


def test_r_without_music_avqa_says_what_is_missing(tmp_path, originals):
    elsewhere = tmp_path / "far/away"
    write_r(elsewhere, tail=[reworded(originals[0], "Can a violin be heard")])
    with pytest.raises(FileNotFoundError, match=r"json_update/avqa-test\.json of GeWu-Lab"):
        load("music_avqa_r", elsewhere, "tail")


def test_fortisavqa_has_its_own_parts(tmp_path, originals):
    comments = {"_comment_x": "a number", "x": 0.79}
    rows = [
        reworded(originals[0], "Is there a violin sound", split="head", **comments),
        reworded(originals[1], "Does a narrator speak?", split="tail", x=1.2),
    ]
    write(tmp_path / "FortisAVQA/test.json", rows)
    for root in (tmp_path, tmp_path / "FortisAVQA"):
        _, questions = load("fortisavqa", root, "test")
        assert [(q.part, q.rephrases) for q in questions] == [
            ("head", "music_avqa/test/0"),
            ("tail", "music_avqa/test/1"),
        ]
    write(tmp_path / "FortisAVQA/test.json", [rows[0] | {"split": "middle"}])
    with pytest.raises(ValueError, match="split is 'middle'"):
        load("fortisavqa", tmp_path, "test")


# ---- folder ------------------------------------------------------------------------------------


def test_your_own_csv_and_clips(tmp_path):
    (tmp_path / "clips/live").mkdir(parents=True)
    (tmp_path / "clips/live/duo.mov").touch()
    (tmp_path / "mine.csv").write_text(
        "\ufeffclip,question,answer,template,slots\n"
        "live/duo,Is there a violin sound?,yes,,\n"
        'live/duo.mov,Any fiddle at all?,,3,"[""violin""]"\n',
        encoding="utf-8",
    )
    clips, questions = load("folder", tmp_path, "mine")
    assert [(q.template, q.slots, q.answer) for q in questions] == [
        (3, ("violin",), "yes"),
        (3, ("violin",), None),
    ]
    assert questions[1].text == "Any fiddle at all?"
    assert {clip.path for clip in clips} == {tmp_path / "clips/live/duo.mov"}
    assert dataset("folder").splits(tmp_path) == ["mine"]


def test_a_folder_reads_what_write_questions_wrote(tmp_path):
    questions = official.to_questions(official_rows(), "folder/test")
    write_questions(tmp_path / "test.jsonl", questions)
    clips, found = load("folder", tmp_path, "test")
    assert found == questions
    assert all(clip.path is None for clip in clips)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"clip": "a", "question": "Is there a kazoo sound?"}, "none of the 33 templates"),
        ({"clip": "a", "question": "Why?", "template": 3, "slots": []}, "has 1 slots, got 0"),
        ({"clip": "a", "question": "Why?", "template": "three"}, "not a number from 1 to 33"),
        ({"clip": "a", "question": "Why?", "template": 34}, "There is no template 34"),
        ({"clip": "", "question": "Is there a voiceover?"}, "clip is empty"),
        ({"clip": "a", "question": "Is there a voiceover?", "answer": "si"}, "none of the 42"),
        ({"clip": "a", "question": "Is there a voiceover?", "anser": "no"}, "'anser' is unknown"),
        ({"clip": "a", "question": "Is there a voiceover?", "cell": "A-Counting"}, "cell is"),
        ({"clip": "b", "question": "Is there a voiceover?"}, "1 of 1 clips are not in"),
    ],
)
def test_a_bad_row_of_your_own_is_told(tmp_path, row, told):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.mp4").touch()
    (tmp_path / "test.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        load("folder", tmp_path, "test")


def test_two_clips_of_one_name_need_their_ending(tmp_path):
    (tmp_path / "clips").mkdir()
    for name in ("a.mp4", "a.mov"):
        (tmp_path / "clips" / name).touch()
    (tmp_path / "test.csv").write_text("clip,question\na,Is there a voiceover?\n")
    with pytest.raises(ValueError, match="more than one file"):
        load("folder", tmp_path, "test")
    (tmp_path / "test.jsonl").touch()
    with pytest.raises(ValueError, match="both there"):
        load("folder", tmp_path, "test")
    with pytest.raises(FileNotFoundError, match="Did you mean test"):
        load("folder", tmp_path, "tests")


# ---- data check --------------------------------------------------------------------------------


def test_git_blob_is_that_of_git():
    assert sources.git_blob(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert sources.git_blob(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_check_tells_here_missing_and_differs(tmp_path, monkeypatch, command_line):
    path = write_v1(tmp_path, official_rows())
    code, out, _ = command_line("data", "check", "music_avqa", tmp_path, "--json")
    report = json.loads(out)
    states = {file["file"]: file["state"] for file in report["files"]}
    assert (code, states["json_update/avqa-test.json"]) == (1, "differs")
    assert states["json_update/avqa-train.json"] == "missing"
    assert report["licence"]
    assert {defect["name"] for defect in report["defects"]} >= {"repeated_ids"}
    whole = sources.File(
        dataset("music_avqa").REPOSITORY,
        "json_update/avqa-test.json",
        66,
        path.stat().st_size,
        sources.git_blob(path.read_bytes()),
    )
    monkeypatch.setattr(dataset("music_avqa"), "FILES", (whole,))
    code, out, _ = command_line("data", "check", "music_avqa", tmp_path)
    assert (code, f"here     {path}" in out, "known defects:" in out) == (0, True, True)


def test_a_known_copy_is_named(tmp_path):
    path = write(tmp_path / "x.json", [])
    blob = sources.git_blob(path.read_bytes())
    place = sources.Repository("a/b", "0", "b", ("data",))
    file = sources.File(place, "x.json", 0, 2, "0" * 40, variants={blob: "somebody"})
    (finding,) = sources.check(tmp_path, [file])
    assert (finding.state, finding.detail) == ("differs", "this is the copy of somebody")


def test_check_reads_a_set_without_official_files(tmp_path, command_line):
    (tmp_path / "mine.csv").write_text("clip,question\na,Is there a voiceover?\n")
    code, out, _ = command_line("data", "check", "folder", tmp_path)
    assert (code, "mine: 1 questions" in out) == (0, True)
    code, out, err = command_line("data", "check", "folder", tmp_path / "nowhere")
    assert (code, out, len(err.splitlines())) == (1, "", 1)


def test_list_names_every_set(command_line):
    code, out, _ = command_line("data", "list", "--json")
    assert code == 0
    assert [row["name"] for row in json.loads(out)] == musicavqa.list_datasets()
    code, out, _ = command_line("data", "list")
    assert (code, "test@disjoint" in out) == (0, True)


def test_every_template_can_be_read():
    questions = official.to_questions(official_rows(), "a/b")
    assert {q.template for q in questions} == {item.number for item in TEMPLATES}
