"""Search: what words mean, how readings are ranked, and that each file is read once."""

import json
import shutil

import numpy as np
import pytest

from conftest import grey_frames, sine, write_media
from made_readings import made_reading, seen_at
from musicavqa.ask.documents import in_short
from musicavqa.ask.lanes import score_of
from musicavqa.ask.query import Term, parse_query
from musicavqa.ask.searching import features_of, number_of_players, rank, rank_like
from musicavqa.cli import searching


def instrument(name, **more):
    return Term("instrument", name, **more)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("solo cello, no drums", (Term("players", 1), instrument("cello"),
                                  instrument("drum", negated=True))),
        ("violin and flute", (instrument("violin"), instrument("flute"))),
        ("Sax with a pianist", (instrument("saxophone"), instrument("piano"))),
        ("violin on the left, cello on the right", (instrument("violin", place="left"),
                                                    instrument("cello", place="right"))),
        ("trio outdoors without talking", None),
        ("trio outdoors, without talking", (Term("players", 3), Term("outdoor"),
                                            Term("voice", negated=True))),
        ("three players", (Term("players", 3),)),
        ("no sound", (Term("silent"),)),
        ("no piano or violin", None),
    ],
)  # fmt: skip
def test_words_become_terms_or_are_refused(text, terms):
    if terms is None:
        with pytest.raises(ValueError, match="nothing that can be searched for"):
            parse_query(text)
    else:
        assert parse_query(text) == terms


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "asks for nothing"),
        ("the music", "asks for nothing"),
        ("chello", "Did you mean .*cello"),
        ("kazoo", r"'kazoo' is nothing that can be searched for\.($| Did you mean (?!.*kazoo))"),
        ("sad violin", "'sad' is nothing that can be searched for"),
        ("violin left right", "one instrument for each place"),
        ("cello, something on the left", "one instrument for each place|'something' is nothing"),
    ],
)
def test_what_cannot_be_searched_is_named(text, told):
    with pytest.raises(ValueError, match=told):
        parse_query(text)


def document(name, reading):
    return {
        "file": name, "mark": f"1-{0:016}",
        "reading": in_short(score_of(reading)),
    }  # fmt: skip


@pytest.fixture(scope="module")
def documents():
    solo = made_reading([seen_at(0.2, cello=1.0)], {"cello": (0.99, [(1.0, 4.0), (6.0, 9.0)])})
    duo = made_reading(
        [seen_at(0.2, violin=1.0), seen_at(0.8, cello=1.0)],
        {"violin": (0.99, [(0.0, 9.0)]), "cello": (0.99, [(2.0, 9.0)])},
    )
    drums = made_reading([seen_at(0.5, drum=1.0)], {"drum": (0.99, [(0.0, 9.0)])})
    none = made_reading([], {}, has_sound=False)
    return [
        document(*pair) for pair in (("solo", solo), ("duo", duo), ("drum", drums), ("none", none))
    ]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("solo cello", {"solo"}),
        ("cello, no violin", {"solo"}),
        ("cello", {"solo", "duo"}),
        ("duo", {"duo"}),
        ("violin on the left, cello on the right", {"duo"}),
        ("no cello, no drum", {"none"}),
        ("drummer", {"drum"}),
        ("silent", {"none"}),
    ],
)
def test_files_are_ranked_by_what_they_have(documents, text, first):
    hits = rank(documents, parse_query(text))
    assert {hit.file for hit in hits[: len(first)]} == first
    assert hits[len(first) - 1].score > 2 * hits[len(first)].score
    assert all(0 <= hit.score <= 1 for hit in hits)


def test_reasons_say_how_surely_and_when(documents):
    hit = next(h for h in rank(documents, parse_query("cello, no drums")) if h.file == "solo")
    cello, drums = hit.reasons
    assert (cello.term, drums.term) == ("cello", "no drum")
    assert np.array(cello.spans_s) == pytest.approx(np.array([[1, 4], [6, 9]]), abs=0.15)
    assert cello.text == "cello 100% (1.0-4.0, 6.0-9.0 s)"
    assert drums.spans_s == ()


def test_numbers_of_players_are_probabilities(documents):
    for one in documents:
        assert number_of_players(one["reading"]).sum() == pytest.approx(1)


def test_likeness_finds_the_same_and_leaves_the_example_out(documents):
    again = {**documents[0], "file": "copy"}
    hits = rank_like([*documents, again], documents[0])
    assert [hit.file for hit in hits][:2] == ["copy", "duo"]
    assert hits[0].score == pytest.approx(1)
    assert "solo" not in {hit.file for hit in hits}
    assert (features_of(documents[1]["reading"]) >= 0).all()


def test_that_no_file_fits_and_that_nothing_is_shared_is_said(documents):
    first, *others = searching._lines(rank(documents, parse_query("tuba")))
    assert first == "No file fits (1% or more); the nearest:"
    assert len(others) == 2 * len(documents)
    assert next(searching._lines(rank(documents, parse_query("cello")))).startswith("100.0%")
    lines = list(searching._lines(rank_like(documents, documents[2])))
    assert set(lines[1::2]) == {"        no instrument in common"}


@pytest.fixture
def videos(tmp_path):
    (tmp_path / "v").mkdir()
    for name, pitch in (("a", 440), ("b", 220)):
        write_media(tmp_path / "v" / f"{name}.mp4", grey_frames(20), wave=sine(pitch, 2.0))
    (tmp_path / "v" / "broken.mp4").write_bytes(b"x")
    return tmp_path / "v"


def names(out):
    return {hit["file"].rpartition("/")[2] for hit in json.loads(out)}


def test_each_file_is_read_once_and_a_new_one_when_it_comes(
    command_line, videos, tmp_path, small_default
):
    index = tmp_path / "readings.jsonl"
    arguments = ("search", videos, "cello", "--index", index, "--json")
    code, out, err = command_line(*arguments)
    assert code == 0
    assert {hit["file"] for hit in json.loads(out)} == {
        str(videos / "a.mp4"),
        str(videos / "b.mp4"),
    }
    assert "not read, of 3 files: 1" in err
    n_before = len(index.read_text().splitlines())
    shutil.copy(videos / "a.mp4", videos / "c.mp4")
    (videos / "broken.mp4").unlink()
    (videos / "b.mp4").unlink()
    code, out, _ = command_line(*arguments)
    assert {hit["file"] for hit in json.loads(out)} == {
        str(videos / "a.mp4"),
        str(videos / "c.mp4"),
    }
    assert len(index.read_text().splitlines()) == n_before + 1
    code, out, _ = command_line(
        "search", videos, "--like", videos / "a.mp4", "--index", index, "--json"
    )
    assert [hit["file"] for hit in json.loads(out)] == [str(videos / "c.mp4")]
    assert json.loads(out)[0]["score"] == pytest.approx(1, abs=1e-6)


def test_one_of_words_and_example_is_needed(command_line, videos):
    for arguments in ((), ("cello", "--like", videos / "a.mp4")):
        code, _, err = command_line("search", videos, *arguments)
        assert (code, "one of the two" in err) == (1, True)


def test_a_folder_that_is_not_there_is_one_line_and_leaves_nothing(
    command_line, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, err = command_line("search", "nowhere", "violin")
    assert (code, out, err) == (1, "", "musicavqa: There is no folder nowhere to search.\n")
    assert list(tmp_path.iterdir()) == []
