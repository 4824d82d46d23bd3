"""Lines are on the disk when they were added; a cut one is dropped, a damaged one is named."""

import json

import pytest

from musicavqa.llm.store import Records, Source, bytes_of, writing


def record(mark, status="answered", **more):
    return {"mark": mark, "key": "set/test/0", "status": status, **more}


def test_what_was_added_is_there_and_an_answer_outlives_errors(tmp_path):
    path = tmp_path / "run" / "records.jsonl"
    with writing(path) as records:
        records.add(record("a", "error", error={"kind": "timeout", "message": "late"}))
        assert not records.is_done("a")
        records.add(record("a", text="two"))
        records.add(record("a", "error", error={"kind": "timeout", "message": "late"}))
    again = Records(path)
    assert again["a"]["text"] == "two"
    assert again.is_done("a")
    assert again["b"] is None
    assert again.n_lines == 3


def test_a_last_line_that_was_cut_is_dropped_and_written_over(tmp_path):
    path = tmp_path / "records.jsonl"
    with writing(path) as records:
        records.add(record("a", text="é ü 琵琶"))
    with path.open("ab") as file:
        file.write(b'{"v": 1, "mark": "b", "sta')
    with writing(path) as records:
        records.add(record("c"))
    assert [json.loads(line)["mark"] for line in path.read_text().splitlines()] == ["a", "c"]


@pytest.mark.parametrize("line", ["{", "[]", '{"v": 9, "mark": "a", "status": "answered"}'])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "records.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ValueError, match=r"records\.jsonl:1 is"):
        Records(path)


def test_an_unknown_status_and_a_number_that_is_none_are_refused(tmp_path):
    with writing(tmp_path / "records.jsonl") as records:
        with pytest.raises(ValueError, match="no status 'fine'"):
            records.add(record("a", "fine"))
        with pytest.raises(ValueError, match="JSON compliant"):
            records.add(record("a", scores=[float("nan")]))


def test_every_part_of_a_source_is_in_its_mark():
    parts = ("data", "media", "policy", "prompt", "model", "way", "generation")
    plain = dict.fromkeys(parts, "x")
    marks = {Source(**plain).mark(), *(Source(**{**plain, part: "y"}).mark() for part in parts)}
    assert len(marks) == len(parts) + 1


def test_the_hash_of_a_file_is_of_every_byte(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(300_000))
    before = bytes_of(path)
    changed = bytearray(300_000)
    changed[100_000] = 1  # neither beginning, middle nor end
    path.write_bytes(changed)
    assert bytes_of(path) != before
