"""The score that `read` shows: lanes of those who sound, what is unsure, music, pictures."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from made_readings import made_reading, seen_at
from musicavqa.ask.lanes import score_of
from musicavqa.ask.music import Music, heard_in
from musicavqa.ask.reading import plain
from musicavqa.ask.score_picture import LETTER, LINE, draw_score, name_places
from musicavqa.ask.score_text import LETTERS, written
from musicavqa.ask.sensing import Shown
from musicavqa.questions import INSTRUMENTS

DUO = made_reading(
    [seen_at(0.2, violin=0.97, erhu=0.03), seen_at(0.8, cello=0.97, violin=0.03)],
    {"violin": (0.99, [(2.0, 8.0)]), "cello": (0.99, [(5.0, 10.0)])},
    level_db=np.where([name == "cello" for name in INSTRUMENTS], -6.0, 0.0),
)


def lines_of(reading, **options):
    return written(score_of(reading), Music(), **options).splitlines()


def test_each_who_sounds_has_a_lane_with_his_entry_and_level():
    left, right = score_of(DUO).sounding
    assert (left.title, right.title) == ("violin (left)", "cello (right)")
    assert left.enters_s == pytest.approx(2.0, abs=0.11)
    assert right.enters_s == pytest.approx(5.0, abs=0.11)
    assert right.level_db - left.level_db == pytest.approx(-6, abs=1.5)
    assert left.sure[:19].max() == 0
    assert left.sure[25:75].min() > 0.9
    assert score_of(DUO).fits > 0.9


def test_blocks_stand_where_he_plays_under_the_times_of_the_axis():
    lines = lines_of(DUO, width=80)
    start = next(i for i, line in enumerate(lines) if line.startswith("violin (left)"))
    axis, lane = lines[start - 1], lines[start]
    margin = axis.index("0")
    column = margin + lane[margin:].index("█")
    assert (column - margin) / (80 - margin - 1) == pytest.approx(0.2, abs=0.03)
    assert max(map(len, lines[start - 1 : start + 2])) <= 82


def test_a_level_next_to_the_loudest_is_zero_and_not_minus_zero():
    equal = replace(DUO, level_db=DUO.level_db * 0.04)
    text = "\n".join(lines_of(equal))
    assert " 0 dB" in text
    assert "-0 dB" not in text


def test_letters_stand_for_blocks_where_a_terminal_has_none():
    text = "\n".join(lines_of(DUO, marks=LETTERS))
    assert text.isascii()
    assert "@@@" in text


def test_who_is_silent_is_seen_and_has_no_lane():
    reading = made_reading(
        [seen_at(0.2, tuba=1.0), seen_at(0.8, cello=1.0)], {"cello": (1.0, [(0.0, 10.0)])}
    )
    lines = lines_of(reading)
    assert "tuba (left, 100%, silent)" in lines[0]
    assert not any(line.startswith("tuba") for line in lines)


def test_nobody_is_shown_who_may_be_there_under_no_name_that_is_likely():
    faint = seen_at(0.9, share=0.5, bassoon=0.4, flute=0.3, tuba=0.3)
    cello = seen_at(0.2, cello=1.0)
    reading = made_reading([cello, faint], {"cello": (1.0, [(0.0, 10.0)])})
    assert [lane.title for lane in score_of(reading).lanes] == ["cello (left)"]
    sure = made_reading([cello, replace(faint, share=0.95)], {"cello": (1.0, [(0.0, 10.0)])})
    assert [lane.place for lane in score_of(sure).lanes] == ["left", "right"]
    one_name = seen_at(0.9, share=0.5, bassoon=1.0)
    named = made_reading([cello, one_name], {"cello": (1.0, [(0.0, 10.0)])})
    assert len(score_of(named).lanes) == 2


def test_what_is_heard_of_nobody_who_is_seen_does_not_fit():
    reading = made_reading([seen_at(0.5, tuba=1.0)], {"flute": (1.0, [(0.0, 10.0)])})
    text = "\n".join(lines_of(reading))
    assert "Only heard: flute 100%" in text
    assert "do not fit" in text
    assert score_of(reading).fits < 0.1


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"has_sound": False}, "there is no sound, or only silence"),
        ({"has_picture": False}, "there is no picture, or only a black or grey one"),
        ({"footage": True}, "Read as footage"),
        ({"voiceover": 0.9}, "somebody speaks (90%)"),
        ({"outdoor": 0.8}, "outdoors (80%)"),
    ],
)
def test_what_is_missing_or_odd_is_said(changed, told):
    assert told in "\n".join(lines_of(made_reading(**changed)))


def test_two_names_and_a_doubtful_performer_are_unsure():
    reading = made_reading([seen_at(0.5, share=0.75, violin=0.5, erhu=0.5)])
    text = "\n".join(lines_of(reading))
    assert "Unsure: whether anybody is there, middle" in text
    assert "Unsure: which instrument is middle" in text


def test_hours_are_drawn_no_wider_than_minutes():
    n = 36000 * 3
    reading = made_reading(
        [seen_at(0.5, n_ticks=n, piano=1.0)], {"piano": (1.0, [(600.0, 10800.0)])}, n_ticks=n
    )
    lines = lines_of(reading, width=80)
    assert max(map(len, lines)) < 100
    assert any("30:00" in line for line in lines)


def test_machines_get_the_same_in_plain_numbers():
    told = json.loads(json.dumps({**plain(DUO), **score_of(DUO).as_dict()}, allow_nan=False))
    assert np.array(told["activity"]).shape == (100, 22)
    assert len(told["seen"][0]["plays"]) == 100
    assert told["seen"][1]["box"] == pytest.approx(DUO.seen[1].box, abs=1e-3)
    assert [lane["place"] for lane in told["lanes"]] == ["left", "right"]
    assert told["lanes"][1]["level_db"] == pytest.approx(-6, abs=1.5)


def test_performers_are_boxed_and_named_on_key_frames(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: (figures.append(f), save(f, *a, **k)))
    shown = Shown([np.zeros((24, 32, 3), np.uint8)] * 2, [0.5, 2.5], [np.zeros(200, np.float32)])
    draw_score(score_of(DUO), shown, 16 / 9, tmp_path / "deep" / "score.svg")
    assert (tmp_path / "deep" / "score.svg").stat().st_size > 0
    frames = [axes for axes in figures[0].axes if axes.get_title().endswith(" s")]
    assert len(frames) == 2
    for axes in frames:
        assert len(axes.patches) == 2
        assert [text.get_text().split()[0] for text in axes.texts] == ["violin", "cello"]


def music_rows(confidence, clearness, beats):
    tempo = np.zeros((100, 82))
    tempo[:, -2:] = 96.0, confidence
    marks = np.zeros((500, 5))
    marks[beats, 2], marks[:, 4] = 1, 0.8
    chroma = np.zeros((100, 37))
    chroma[:, 12 + 9] = clearness  # A major
    return tempo, marks, chroma, 50.0


def test_tempo_beats_and_key_are_told_where_they_are_sure():
    music = heard_in(*music_rows(0.9, 0.3, [25, 56, 87]))
    assert music.tempo_bpm == pytest.approx(96)
    assert music.beats_s == (0.5, 1.12, 1.74)
    assert music.key == "A major"
    (line,) = music.lines
    assert "tempo 96 a minute (confidence 0.90)" in line
    assert "3 beats from 0.5 to 1.7 s" in line


def test_what_the_music_streams_are_not_sure_of_is_not_told():
    music = heard_in(*music_rows(0.2, 0.02, []))
    assert (music.tempo_bpm, music.beats_s, music.key) == (None, (), None)
    assert music.lines == ("Music: no sure tempo, no sure beats, no sure key",)


@given(
    st.lists(
        st.tuples(st.sampled_from(INSTRUMENTS), st.floats(0, 0.9), st.floats(0, 0.9)), max_size=6
    ),
    st.sampled_from([4 / 3, 16 / 9, 9 / 16]),
)
@example([("accordion", 0.0, 0.0)] * 4, 16 / 9)
@example([("accordion", 0.5, 0.5)] + [("accordion", 0.5, 0.75)] * 3, 16 / 9)
def test_names_of_performers_stay_in_the_frame_and_clear_of_each_other(people, aspect):
    names = [name for name, _, _ in people]
    boxes = [(x, y, x + 0.1, y + 0.1) for _, x, y in people]
    widths = [LETTER * (len(name) + 1) for name in names]
    places = name_places(names, boxes, aspect)
    line = LINE * aspect
    for (left, bottom), width in zip(places, widths, strict=True):
        assert 0 <= left <= left + width <= 1 + 1e-9
        assert line - 1e-9 <= bottom <= 1
    if len(people) > 4:  # with more, a name may have no free line
        return
    for (one, w), (other, v) in combinations(zip(places, widths, strict=True), 2):
        beside = one[0] + w <= other[0] or other[0] + v <= one[0]
        assert beside or abs(one[1] - other[1]) >= line - 1e-9
