"""A question in free words: the model gets the clip, the words and, if wanted, the reading."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("openai")
sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))

from made_readings import made_reading, seen_at
from made_server import serving
from musicavqa.ask.free_words import told_reading

QUESTION = "Do the two of them seem to enjoy it?"


@pytest.fixture
def asked(command_line, small_video, small_default):
    def ask(script, *more):
        return command_line("ask", small_video, QUESTION, "--model", f"vllm:m@{script.url}", *more)

    return ask


def test_the_answer_is_what_the_model_said_and_says_what_it_was_given(asked):
    with serving(says="They smile at each other.") as script:
        code, out, _ = asked(script)
    assert code == 0
    assert "  They smile at each other.\n  said by m: 4 pictures, 4.0 s heard" in out
    parts = script.seen[0]["messages"][-1]["content"]
    assert [part["type"] for part in parts] == ["image_url"] * 4 + ["input_audio", "text"]
    assert parts[-1]["text"] == QUESTION


def test_with_reading_it_is_told_what_was_perceived(asked):
    with serving(says="Perhaps.") as script:
        code, out, _ = asked(script, "--with-reading", "--json")
    assert code == 0
    text = script.seen[0]["messages"][-1]["content"][-1]["text"]
    assert text.endswith(QUESTION)
    assert "Length: 4 s" in text
    assert json.loads(out)[0]["told"] in text


def test_a_failure_of_the_server_is_one_line(asked):
    with serving("400") as script:
        code, _, err = asked(script)
    assert code == 1
    assert "told to say 400" in err.strip().splitlines()[-1]


def test_how_long_an_answer_may_be_is_said_by_the_option_that_the_error_names(asked):
    with serving(says="They smile.") as script:
        assert asked(script, "--max-tokens", "7")[0] == 0
    assert script.seen[0]["max_tokens"] == 7


def test_what_makes_no_sense_together_is_refused(command_line, small_video):
    code, _, err = command_line("ask", small_video, QUESTION, "--with-reading")
    assert code == 1
    assert "--with-reading goes with --model" in err


def test_a_reading_in_words_names_who_sounds_and_when():
    seen = (seen_at(0.2, violin=1.0), seen_at(0.8, cello=1.0))
    heard = {"violin": (1.0, [(2.0, 6.0)]), "cello": (1.0, [(0.0, 10.0)])}
    told = told_reading(made_reading(seen, heard))
    assert "violin (left): sounds in seconds 2.0-6.0" in told
    assert "cello (right)" in told
