"""The description of a question list, and the commands that build sets."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from musicavqa.bandstand.exports import read_questions, write_questions
from musicavqa.reports.describe import PICTURES, describe, page
from musicavqa.reports.summary import summarise
from questionnaires import ask, question

PAIRS = [(1, "yes")] * 9 + [(1, "no")] + [(2, "two"), (2, "one"), (13, "violin"), (33, "cello")]


def test_counts_are_those_of_the_questions() -> None:
    summary = summarise("made up", [*ask(PAIRS), question(3, None, 99)])
    assert (summary.n_questions, summary.n_clips, summary.n_unanswered) == (15, 1, 1)
    assert summary.cells["A-Counting"] == {"real": 13}
    assert summary.cells["V-Counting"].total() == 0
    assert summary.answers[1] == {"yes": 9, "no": 1}
    assert [(b.template, b.is_balanced) for b in summary.bias[:2]] == [(1, False), (2, True)]
    assert summary.asked_instruments["acoustic_guitar"] == 11  # templates 1 and 33
    assert summary.answer_instruments["violin"] == 1
    assert len(summary.asked_instruments) == 22  # those never named are counted as 0


def test_page_has_every_table_and_escapes_what_it_shows() -> None:
    text = page(summarise("<b>set</b>", ask(PAIRS)))
    assert "&lt;b&gt;set&lt;/b&gt;" in text
    assert "Are there &lt;Object&gt; and &lt;Object&gt; sound?" in text
    assert text.count("<table>") == 5
    assert all(f'src="{name}"' in text for name in PICTURES)
    assert '<td class="over">over</td>' in text
    assert "90.0 %" in text


def test_description_is_written_whole_and_twice_alike(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "page"
    path = describe("made up", ask(PAIRS), folder)
    assert path == folder / "index.html"
    assert sorted(p.name for p in folder.iterdir()) == sorted(["index.html", *PICTURES])
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert all(first[name].startswith(b"\x89PNG") for name in PICTURES)
    describe("made up", ask(PAIRS), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first


def test_nothing_to_describe_is_said() -> None:
    with pytest.raises(ValueError, match="none of 1 questions has an answer"):
        summarise("x", [question(1, None)])


def test_without_matplotlib_the_remedy_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'musicavqa\[plots\]'"):
        describe("x", ask(PAIRS), tmp_path)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bandstand folder with the splits train and test; clips are empty files."""
    from musicavqa.bandstand.exports import make_questions
    from musicavqa.bandstand.scene import sample_scene

    root = tmp_path_factory.mktemp("bandstand")
    for split in ("train", "test"):
        scenes = [sample_scene(split, index) for index in range(12)]
        (root / split / "clips").mkdir(parents=True)
        (root / split / "scenes.jsonl").write_text("".join(json.dumps(s) + "\n" for s in scenes))
        for scene in scenes:
            (root / split / "clips" / f"{scene['id']}.mp4").touch()
        rows = make_questions(scenes, split, balanced=False)
        write_questions(root / split / "questions.jsonl", rows)
    return root


def test_describe_writes_a_page(root: Path, tmp_path: Path, command_line) -> None:
    code, out, _ = command_line("data", "describe", "bandstand", root, "--out", tmp_path)
    assert (code, out.strip()) == (0, str(tmp_path / "index.html"))
    assert "bandstand, test" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("verb", ["balance", "head-tail", "rephrase"])
def test_builders_write_questions_that_can_be_read_again(
    root: Path, tmp_path: Path, command_line, verb: str
) -> None:
    path = tmp_path / "made.jsonl"
    code, out, err = command_line("data", verb, "bandstand", root, "--out", path)
    assert code == 0, err
    n_asked, n_made = len(read_questions(root / "test/questions.jsonl")), len(read_questions(path))
    assert f"{n_made:,}" in out or verb == "head-tail"
    assert {"balance": n_made < n_asked, "head-tail": n_made == n_asked}.get(
        verb, n_made > 20 * n_asked
    )


def test_priors_are_printed_as_table_and_json(root: Path, command_line) -> None:
    code, out, _ = command_line("data", "priors", "bandstand", root)
    assert code == 0
    assert out.splitlines()[0].split()[-1] == "asked"
    assert any(line.startswith("overall") for line in out.splitlines())
    code, out, _ = command_line("data", "priors", "bandstand", root, "--json")
    assert json.loads(out)["template"]["overall"]["asked"] > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("balance", "bandstand", "--other", "1.5"), "got 1.5"),
        (("head-tail", "bandstand", "--grouping", "clip"), "No grouping 'clip'"),
        (("describe", "bandstand", "--split", "nowhere"), "nowhere"),
        (("describe", "no_such_set"), "no_such_set"),
    ],
)
def test_bad_input_is_one_line(root: Path, command_line, arguments, complaint: str) -> None:
    verb, name, *rest = arguments
    code, _, err = command_line("data", verb, name, root, *rest)
    assert code == 1
    assert complaint in err
    assert err.count("\n") == 1
