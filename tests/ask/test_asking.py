"""Ask a rendered clip through the real decoder, the real encoders and an untrained model."""

import dataclasses
import json

import numpy as np
import pytest

import musicavqa
from conftest import sine, write_media
from musicavqa.answers import ANSWERS
from musicavqa.ask import asking
from musicavqa.ask.reading import read
from musicavqa.ask.timeline import draw
from musicavqa.bandstand.render import render
from musicavqa.bandstand.scene import sample_scene
from musicavqa.cli import answering
from musicavqa.media import Limits

pytestmark = pytest.mark.usefixtures("small_default")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "duo.mp4"
    render(sample_scene("val", 3, duration_s=5.0), path)
    return path


@pytest.fixture(scope="module")
def performance(clip, run_folder):
    return asking.listen_and_look(clip, run_folder)


def test_an_answer_comes_with_confidence_and_evidence(performance):
    reply = performance.ask(["Where is the loudest instrument?"])[0]
    assert reply.answer in ANSWERS
    assert 0 < reply.runner_up_confidence <= reply.confidence <= 1
    assert reply.seconds.shape == (5,)
    assert reply.seconds.sum() == pytest.approx(1, abs=1e-4)
    assert reply.cells.shape == (7, 7)
    start, stop = reply.when
    assert reply.seconds[start:stop].sum() >= 0.5 - 1e-6
    left, top, right, bottom = reply.where
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1


@pytest.mark.parametrize(
    ("seconds", "when"),
    [
        ([0.06, 0.107, 0.106, 0.104, 0.108, 0.108, 0.108, 0.108, 0.108, 0.085], (1, 6)),
        ([0.2, 0.31, 0.29, 0.2], (1, 3)),
        ([0.1, 0.1, 0.2, 0.6], (3, 4)),
        ([0.25, 0.25, 0.25, 0.25], (0, 2)),
    ],
)
def test_when_is_the_earliest_of_the_spans_that_are_as_good(seconds, when):
    assert asking.Reply("", None, 1.0, seconds=np.array(seconds)).when == when


def test_several_questions_get_the_answers_they_get_alone(performance):
    questions = ["Is there a voiceover?", "What about the weather?", "Is there a tuba sound?"]
    together = performance.ask(questions)
    for question, reply in zip(questions, together, strict=True):
        alone = performance.ask([question])[0]
        assert (alone.answer, alone.understood) == (reply.answer, reply.understood)
        if alone.seconds is not None:
            np.testing.assert_allclose(alone.seconds, reply.seconds, atol=1e-5)


def test_a_question_in_other_words_is_understood(performance):
    reply = performance.ask(["how many people are making sound?"])[0]
    assert reply.understood is not None
    assert reply.understood.startswith("How many instruments are sounding")
    assert reply.similarity < 1


def test_off_topic_questions_are_declined_with_suggestions(command_line, clip):
    code, out, err = command_line("ask", clip, "What will the weather be tomorrow?")
    assert code == 1
    assert "I cannot answer that (none of my questions is about weather or tomorrow)" in out
    assert out.count("\n  - ") >= 2
    assert "Traceback" not in err


def test_what_the_file_lacks_is_said_and_no_answer_made_up(command_line, tmp_path):
    path = write_media(tmp_path / "sound.m4a", wave=sine(440, 3.0))
    by_eye, by_ear = "Where is the performance?", "Is there a acoustic_guitar sound?"
    code, out, _ = command_line("ask", path, by_eye, by_ear)
    assert code == 0
    assert f"{by_eye}\n  understood as: {by_eye}\n  I cannot tell: there is no picture\n" in out
    assert f"{by_ear}\n  no" in out or f"{by_ear}\n  yes" in out
    assert command_line("ask", path, by_eye)[0] == 1


def test_lines_for_people_have_no_underscores_and_small_words_are_no_topic():
    said = asking.Reply("guitar_1?", "Is there a acoustic_guitar sound?", 0.9, answer="yes",
                        confidence=0.9, runner_up="no", runner_up_confidence=0.1,
                        facts=("acoustic_guitar (90%)",))  # fmt: skip
    first, *lines = answering._describe(said).splitlines()
    assert first == "guitar_1?"
    assert "_" not in "".join(lines)
    declined = asking.Reply("How long?", None, 0.3, unused=("how",), suggestions=("Is it?",))
    assert "I cannot answer that. The closest" in answering._describe(declined)


def test_the_other_reading_of_a_question_is_told_beside_the_answer():
    said = asking.Reply("any banjo?", "Is there a banjo in the entire video?", 0.8, answer="yes",
                        confidence=0.9, runner_up="no", runner_up_confidence=0.1, facts=("banjo",),
                        suggestions=("Is there a banjo sound?",))  # fmt: skip
    lines = answering._describe(said).splitlines()
    assert lines[1].startswith("  understood as: Is there a banjo in the entire video?")
    assert lines[2] == "  or did you mean: Is there a banjo sound?"


def test_json_holds_answer_and_evidence_and_the_picture_is_drawn(command_line, clip, tmp_path):
    picture = tmp_path / "evidence.png"
    question = "How many instruments are sounding in the video?"
    code, out, err = command_line("ask", clip, question, "--json", "--evidence", picture)
    assert code == 0
    reply = json.loads(out)["replies"][0]
    assert reply["answer"] in ANSWERS
    assert len(reply["seconds"]) == 5
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in err


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.mp4", None, "missing.mp4"),
        ("text.mp4", b"these are words, not a video\n" * 20, "text.mp4"),
        ("empty.mp4", b"", "empty"),
    ],
)
def test_a_bad_file_gets_one_clear_line(command_line, tmp_path, name, content, told):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    code, out, err = command_line("ask", path, "Is there a voiceover?")
    assert code == 1
    assert out == ""
    assert told in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_question_with_signs_of_formulas_and_of_terminals_is_drawn(performance, tmp_path, ending):
    (reply,) = performance.ask(["Is there a voiceover?"])
    for text in (
        "Is $x_$ there?",
        r"Is $\frac{$ there?",
        "Is the \x1b[2J\udcff there, 100 % & <b>?",
    ):
        odd = dataclasses.replace(reply, question=text)
        draw(performance, odd, tmp_path / f"evidence.{ending}")
    assert [path.name for path in tmp_path.iterdir()] == [f"evidence.{ending}"]


def test_a_wrong_evidence_ending_is_refused_before_any_work(command_line, clip):
    code, _, err = command_line("ask", clip, "Is there a voiceover?", "--evidence", "e.txt")
    assert code == 1
    assert "--evidence takes a .png" in err


def test_asking_nothing_is_refused(clip):
    with pytest.raises(ValueError, match="at least one question"):
        asking.ask(clip)


def test_what_lies_behind_the_limit_is_left_out_and_said(clip, small_default):
    three = Limits(seconds=3.0)
    assert asking.listen_and_look(clip, limits=three).account.limited
    assert len(read(clip, limits=three).activity) == 30 < len(read(clip).activity)
    assert musicavqa.ask(clip, "Which instrument plays first?", limits=three)[0].answer
