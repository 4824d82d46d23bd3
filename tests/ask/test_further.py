"""Questions beyond the benchmark: told from near misses by all their words, answered by rules."""

import numpy as np
import pytest

from made_readings import made_reading, seen_at
from musicavqa.ask.further import LEAST, answer_further
from musicavqa.ask.further_words import Further, match_further
from musicavqa.ask.music import Music

ASKED = {
    "When does the sax start playing?": Further("entry", "saxophone"),
    "at what time does the flute enter": Further("entry", "flute"),
    "How long does it take until the flute comes in?": Further("entry", "flute"),
    "when is the erhu first heard in the video": Further("entry", "erhu", "heard"),
    "when does the violnn come in": Further("entry", "violin"),
    "when do the drums stop": Further("end", "drum"),
    "for how long does the cellist play?": Further("duration", "cello", "heard"),
    "how many seconds does the tuba play in total": Further("duration", "tuba", "heard"),
    "Which instruments are there?": Further("instruments"),
    "what instruments can you hear": Further("instruments", sense="heard"),
    "which instruments are visible in the video": Further("instruments", sense="seen"),
    "does it get louder?": Further("louder"),
    "Does the music get softer towards the end?": Further("louder", falling=True),
    "is there a crescendo": Further("louder"),
    "does the volume go down towards the end": Further("louder", falling=True),
    "when do we first hear the flute": Further("entry", "flute", "heard"),
    "what time does the piano come in": Further("entry", "piano"),
    "until when does the tuba play": Further("end", "tuba", "heard"),
    "how long can you hear the violin": Further("duration", "violin", "heard"),
    "tell me which instruments are being played": Further("instruments", sense="heard"),
    "what are the instruments in the video?": Further("instruments"),
    "is it in a major or a minor key": Further("key"),
    "how fast is it": Further("tempo"),
    "what's the tempo of the piece?": Further("tempo"),
    "how many bpm": Further("tempo"),
    "in which key is this piece": Further("key"),
    "what is the key of the song?": Further("key"),
}
NEAR_MISSES = """who plays the melody
when does the loud violin come in
when does the violin on the left come in
when does the violin stop being in tune
when does the singer come in
when does the violin come in after the flute
how long is the violin
how long does the violin play before the flute
what is the key instrument
how fast is the violin
does the violin get louder
is it louder
which instruments are playing first
which instruments are in tune
what is the tempo marking in italian
in which key is the second piece
when does it start
when do you hear the violin
what time is it
which second violin starts
what are the instruments made of
what are the instruments on the left
how long does the video last
is there a key change""".splitlines()


@pytest.mark.parametrize("text", ASKED)
def test_a_question_beyond_the_benchmark_is_understood(text):
    said = match_further(text)
    expected = ASKED[text]
    assert (said.rule, said.instrument, said.falling) == (
        expected.rule, expected.instrument, expected.falling,
    )  # fmt: skip
    if said.rule == "instruments":
        assert said.sense == expected.sense


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_one_word_off_is_no_such_question(text):
    assert match_further(text) is None


def test_a_template_in_its_own_words_stays_one():
    assert match_further("How many instruments are sounding in the video?") is None


READING = made_reading(
    [seen_at(0.2, violin=1.0), seen_at(0.8, cello=1.0)],
    {"violin": (1.0, [(2.4, 6.0)]), "flute": (1.0, [(5.0, 9.0)]), "cello": (0.0, [])},
)


def no_music():
    raise AssertionError("music was asked for")


def found(asked, reading=READING, peaks=(), music=no_music):
    return answer_further(asked, reading, np.asarray(peaks, np.float32), music)


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [("entry", "violin", 2.4), ("end", "violin", 6.0), ("duration", "flute", 4.0)],
)
def test_moments_are_those_of_the_reading(rule, name, value):
    said = found(Further(rule, name))
    assert said.value == pytest.approx(value, abs=0.11)
    assert said.answer == f"{said.value:.1f} s"
    assert said.confidence > 0.9


def test_what_is_not_heard_has_no_entry():
    said = found(Further("entry", "cello"))
    assert said.answer == "the cello is not heard"
    assert said.value is None
    assert said.confidence > 0.5


def test_instruments_by_sense():
    sets = {sense: found(Further("instruments", sense=sense)).answer for sense in
            ("heard", "seen", "either")}  # fmt: skip
    assert {sense: set(names.split(", ")) for sense, names in sets.items()} == {
        "heard": {"violin", "flute"},
        "seen": {"violin", "cello"},
        "either": {"violin", "flute", "cello"},
    }


def test_nothing_is_told_of_a_sense_that_is_missing():
    silent = made_reading([seen_at(0.2, violin=1.0)], has_sound=False)
    assert found(Further("entry", "violin"), silent).why == "there is no sound"
    blind = made_reading([], {"violin": (1.0, [(2.0, 6.0)])}, has_picture=False)
    assert found(Further("instruments", sense="seen"), blind).why == "there is no picture"
    assert found(Further("instruments", sense="heard"), blind).answer == "violin"


def test_an_unsure_rule_does_not_answer():
    names = ("violin", "flute", "cello", "tuba", "piano", "erhu", "pipa", "banjo")
    vague = made_reading([], {name: (0.5, [(1.0, 9.0)]) for name in names})
    said = found(Further("instruments", sense="heard"), vague)
    assert said.answer is None
    assert said.confidence < LEAST
    assert "not sure enough" in said.why


@pytest.mark.parametrize(
    ("last", "falling", "answer"),
    [(0.8, False, "yes"), (0.8, True, "no"), (0.1, True, "yes"), (0.1, False, "no"),
     (0.42, False, "no"), (0.42, True, "no")],
)  # fmt: skip
def test_louder_compares_the_last_third_with_the_first(last, falling, answer):
    peaks = np.repeat([0.4, 0.05, last], 100)
    assert found(Further("louder", falling=falling), peaks=peaks).answer == answer


def test_a_silent_end_is_neither_louder_nor_quieter():
    assert "silent" in found(Further("louder"), peaks=np.repeat([0.4, 0.4, 0], 9)).why


def test_tempo_and_key_are_those_of_the_music_where_it_is_sure():
    sure = Music(tempo_bpm=92.4, tempo_confidence=0.8, key="E flat major", key_clearness=0.2)
    assert found(Further("tempo"), music=lambda: sure).answer == "92 beats a minute"
    assert found(Further("key"), music=lambda: sure).answer == "E flat major"
    assert found(Further("key"), music=Music).why == "no sure key"
    left = Music(left_out="as it needs the whole sound")
    assert found(Further("tempo"), music=lambda: left).why == "as it needs the whole sound"
