"""Questions as people type them, with what each may mean. Run as a script it prints the counts.

A line of `typed_questions.jsonl` has the `readings` that are right, [template, slots ...] or [rule,
instrument] of a question beyond the benchmark, and whether declining is right (`may_decline`).
"""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from musicavqa.ask.further_words import match_further
from musicavqa.ask.matching import match, match_all
from musicavqa.questions import parse

LINES = [
    json.loads(line)
    for line in (Path(__file__).parent / "typed_questions.jsonl").read_text().splitlines()
]
MOST_DECLINED = 13
"""Questions that should be answered and are not, of 286; no question may be misread."""


@cache
def outcomes() -> dict[str, str]:
    """Question -> right, misread or declined."""
    found = {}
    for line, matched in zip(LINES, match_all([line["text"] for line in LINES]), strict=True):
        further = match_further(line["text"])
        reading = [matched.template, *matched.slots]
        if further is not None:
            reading = [further.rule, *([further.instrument] if further.instrument else [])]
        if reading == [None]:
            found[line["text"]] = "right" if line["may_decline"] else "declined"
        else:
            found[line["text"]] = "right" if reading in line["readings"] else "misread"
    return found


def test_no_typed_question_is_misread():
    assert len(LINES) == len(outcomes()) >= 480
    assert not [text for text, outcome in outcomes().items() if outcome == "misread"]


def test_few_typed_questions_that_can_be_answered_are_declined():
    declined = [text for text, outcome in outcomes().items() if outcome == "declined"]
    assert len(declined) <= MOST_DECLINED, declined


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("any piano?", "Is there a piano sound?"),
        ("how many trumpets are there", "How many sounding trumpet in the video？"),
        ("are there a flute and a cello?", "Are there flute and cello sound? "),
        (
            "how many kinds of instrument?",
            "How many types of musical instruments sound in the video?",
        ),
    ],
)
def test_a_question_that_names_no_sense_is_told_its_other_reading(text, other):
    assert match(text).alternatives == (other,)


@pytest.mark.parametrize(
    "text",
    [
        "do you see a piano",
        "Is there a piano in the video?",
        "can you hear a piano",
        "how many trumpets play",
    ],
)
def test_a_question_that_names_its_sense_has_one_reading(text):
    assert match(text).template is not None
    assert match(text).alternatives == ()


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("is the violin louder then the cello", "Is the violin louder than the cello?"),
        ("can you hear bag pipes", "Is there a bagpipe sound?"),
        (
            "is the sax on the left louder than the one on the right",
            "Is the saxophone on the left louder than the saxophone on the right?",
        ),
        ("which instrument begins", "What is the first instrument that comes in?"),
        ("who starts the piece", "What is the first instrument that comes in?"),
        (
            "which instrument is followed by the flute",
            "Which instrument makes sounds before the flute?",
        ),
        ("what follows the flute", "Which instrument makes sounds after the flute?"),
        (
            "does the woman on the left play louder than the man on the right",
            "Is the instrument on the left louder than the instrument on the right?",
        ),
        (
            "how many of the instruments can be heard",
            "How many musical instruments were heard throughout the video?",
        ),
    ],
)
def test_ways_of_speaking_are_understood(text, understood):
    assert match(text).question == understood


@pytest.mark.parametrize(
    "text",
    [
        "who played it first",
        "who came to the concert first",
        "who plays first violin",
        "which instrument on the left plays first",
        "which violin is on the left",
        "which instruments play after the violin",
        "is the violin ever louder than the cello",
        "is the violin louder than the violin",
        "can a violin be louder than a cello",
        "where did the concert start",
        "which instrument does the violin follow",
        "what is the man on the left doing",
        "is there a man playing the violin",
    ],
)
def test_what_is_near_to_them_is_declined(text):
    found = match(text)
    assert found.question is None
    assert all(parse(suggestion) for suggestion in found.alternatives)
    assert "Is the violin louder than the violin?" not in found.alternatives


if __name__ == "__main__":
    print(Counter(outcomes().values()), "of", len(LINES))
