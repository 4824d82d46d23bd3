"""Real footage: what classes of photographs and sounds make of a reading, on maps made here."""

import numpy as np
import pytest

from musicavqa.answers import ANSWERS
from musicavqa.methods.layers import footage, photo_sight, tag_hearing
from musicavqa.methods.layers.footage import levels_apart, read_footage
from musicavqa.methods.layers.two_worlds import by_sense
from musicavqa.questions import INSTRUMENTS
from musicavqa.rules.photographs import FLOOR, GROUPS
from musicavqa.rules.tables import FOOTAGE, draw_tables
from musicavqa.rules.votes import votes

ROWS, COLUMNS, SECONDS = 7, 14, 8
GUITAR = {138: 0.3, 135: 0.3, 141: 0.2}
SAXOPHONE, DRUMS = {192: 0.6}, {157: 0.5, 160: 0.3, 159: 0.4}


def photo(*things, bars=0):
    """One key frame (1, groups, rows, columns) with (group, share, first column, last) in it."""
    maps = np.full((1, len(GROUPS), ROWS + 2 * bars, COLUMNS), FLOOR)
    inside = slice(bars, bars + ROWS)
    maps[:, :-1, inside] = np.log(1e-5)
    maps[:, GROUPS.index("indoor"), inside] = maps[:, GROUPS.index("outdoor"), inside] = np.log(
        0.05
    )
    maps[:, -1] = 0
    maps[:, -1, inside] = 0.2
    for group, share, first, last in things:
        maps[:, GROUPS.index(group), bars + 2 : bars + 5, first:last] = np.log(share)
    return maps


def tags(*seconds):
    """YAMNet rows (T, 1545) with these probabilities of classes; the others are next to nothing."""
    rows = np.full((len(seconds), 1545), 1e-5)
    for row, classes in zip(rows, seconds, strict=True):
        for place, probability in classes.items():
            row[1024 + place] = probability
    return rows


def sound(*levels):
    """Log-mel rows (T, 2, 50, 64), as loud in each second as given; -2 is silence."""
    return np.broadcast_to(np.array(levels)[:, None, None, None], (len(levels), 2, 50, 64))


def read(maps, *seconds):
    return read_footage(maps, tags(*seconds), sound(*[0.0] * len(seconds)), float(len(seconds)))


def said(reading, template, *slots):
    tables = draw_tables(reading, 300, np.random.default_rng(0), FOOTAGE)
    return ANSWERS[int(votes(tables, template, slots).argmax())]


def named(seen):
    return INSTRUMENTS[int(seen.instruments.argmax())]


def test_one_guitar_seen_under_three_names_is_one_player():
    maps = photo(
        ("acoustic guitar", 0.5, 4, 7), ("banjo", 0.4, 7, 9), ("electric guitar", 0.3, 3, 5)
    )
    (player,) = photo_sight.players(maps, 10)
    assert named(player) == "acoustic_guitar"
    assert said(read(maps, *[GUITAR] * SECONDS), 9) == "one"


def test_players_apart_stand_where_they_are_seen_in_the_picture_without_its_bars():
    maps = photo(("violin", 0.6, 1, 3), ("piano", 0.8, 9, 13), bars=3)
    left, right = photo_sight.players(maps, 10)
    assert (named(left), named(right)) == ("violin", "piano")
    assert left.x == pytest.approx(2 / COLUMNS)
    assert right.x == pytest.approx(11 / COLUMNS)
    assert left.y == pytest.approx(0.5)


def test_a_second_name_of_a_place_is_no_player_but_may_be_meant():
    (player,) = photo_sight.players(photo(("violin", 0.5, 4, 7), ("flute", 0.3, 4, 7)), 10)
    assert named(player) == "violin"
    assert player.instruments[INSTRUMENTS.index("flute")] > 0.1


def test_a_faint_peak_elsewhere_is_doubted():
    faint, clear = photo_sight.players(photo(("oboe", 0.1, 1, 3), ("drum", 0.7, 8, 12)), 10)
    assert faint.share < 0.3 < 0.9 < clear.share


def test_what_is_none_of_the_22_is_one_type_and_none_of_them():
    reading = read(photo(("harmonica", 0.7, 5, 9)), *[{203: 0.7}] * SECONDS)
    assert said(reading, 9) == "one"
    assert {said(reading, 10, name) for name in ("violin", "piano", "drum")} == {"no"}


@pytest.mark.parametrize("level", [0.0, 0.01])
def test_a_picture_of_one_colour_shows_nobody(level):
    maps = photo(("accordion", 0.9, 0, COLUMNS))
    maps[:, -1] = level
    reading = read(maps, *[SAXOPHONE] * SECONDS)
    assert not reading.has_picture
    assert reading.seen == ()
    assert said(reading, 3, "saxophone") == "yes"
    assert said(reading, 2) == "one"


def test_a_strip_of_the_bars_is_no_motif_of_a_picture():
    maps = photo()
    maps[:, -1] = 0
    maps[:, -1, [0, -1]] = 0.2
    maps[:, -1, :, [0, -1]] = 0.2
    assert not photo_sight.shows_something(maps)
    maps[:, -1, 3, 6] = 0.05
    assert photo_sight.shows_something(maps)


def test_a_silent_track_is_not_heard_whatever_its_tags():
    reading = read_footage(
        photo(("drum", 0.7, 5, 9)), tags(*[DRUMS] * SECONDS), sound(*[-2.0] * SECONDS), SECONDS
    )
    assert not reading.has_sound
    assert reading.heard.max() == 0


@pytest.mark.parametrize(("tag", "answer"), [(GUITAR, "yes"), (SAXOPHONE, "no")])
def test_a_dubbed_clip_is_told_from_one_that_fits(tag, answer):
    reading = read(photo(("acoustic guitar", 0.6, 4, 9)), *[tag] * SECONDS)
    assert said(reading, 17) == answer
    assert said(reading, 10, "acoustic_guitar") == "yes"


def test_hearing_decides_between_instruments_that_look_alike():
    congas = {159: 0.1, 168: 0.2, 165: 0.2, 251: 0.1}
    maps = photo(("drum", 0.7, 4, 9))
    assert said(read(maps, *[congas] * SECONDS), 13) == "congas"
    assert said(read(maps, *[DRUMS] * SECONDS), 13) == "drum"


def test_what_is_seen_is_heard_in_a_mixture_that_says_little():
    maps = photo(("violin", 0.7, 1, 4), ("acoustic guitar", 0.7, 9, 12))
    unsure = {186: 0.01, 138: 0.01, 182: 0.005}
    reading = read(maps, *[unsure] * SECONDS)
    assert said(reading, 3, "violin") == said(reading, 3, "acoustic_guitar") == "yes"
    assert said(reading, 3, "trumpet") == "no"


def test_order_of_entries_is_told_by_tags_that_rise_though_they_stay_low():
    maps = photo(("acoustic guitar", 0.7, 1, 4), ("drum", 0.7, 9, 12))
    both = {138: 0.05, 135: 0.05, 157: 0.02, 159: 0.02, 160: 0.01}
    reading = read(maps, *[GUITAR] * 4, *[both] * 4)
    entered = np.argmax(reading.activity[:, INSTRUMENTS.index("drum")] > 0.5) * reading.tick_s
    assert entered == pytest.approx(4, abs=0.6)
    assert said(reading, 30, "first") == "acoustic_guitar"
    assert said(reading, 30, "second") == "drum"
    assert said(reading, 6, "acoustic_guitar", "drum") == "yes"


def test_rests_are_not_playing():
    seconds = [GUITAR] * 3 + [{}] * 3 + [GUITAR] * 2
    reading = read_footage(
        photo(("acoustic guitar", 0.6, 4, 9)), tags(*seconds), sound(0, 0, 0, -2, -2, -2, 0, 0), 8.0
    )
    assert said(reading, 15, "acoustic_guitar") == "no"


def test_who_plays_alone_goes_on_playing_when_weaker_but_not_under_another():
    weaker = {place: probability / 20 for place, probability in GUITAR.items()}
    maps = photo(("acoustic guitar", 0.6, 1, 4), ("drum", 0.7, 9, 12))
    alone = read(maps, *[GUITAR] * 4, *[weaker] * 4)
    assert said(alone, 15, "acoustic_guitar") == "yes"
    under = read(maps, *[GUITAR] * 4, *[weaker | DRUMS] * 4)
    assert said(under, 15, "acoustic_guitar") == "no"
    assert said(under, 30, "second") == "drum"


def test_speech_is_a_voiceover_and_singing_is_not():
    assert tag_hearing.voiceover(tags({0: 0.9}, {0: 0.8})[:, 1024:]) > 0.7
    assert tag_hearing.voiceover(tags({0: 0.9, 24: 0.9}, {0: 0.2})[:, 1024:]) < 0.3


def test_nothing_outdoors_is_indoors_and_much_is_not():
    maps = photo()
    assert photo_sight.outdoor(maps) < 0.3
    maps[:, GROUPS.index("outdoor"), :, :] = np.log(0.4)
    assert photo_sight.outdoor(maps) > 0.7


def test_levels_of_two_who_play_by_turns_and_together_come_apart():
    activity = np.zeros((30, 22))
    activity[:20, 0] = activity[10:, 1] = 1
    powers = activity[:, 0] * 1.0 + activity[:, 1] * 0.1
    found = levels_apart(10 * np.log10(powers), activity)
    assert found[0] - found[1] == pytest.approx(10, abs=0.5)


def test_hours_are_read_block_by_block_as_if_at_once(monkeypatch):
    logmel = np.random.default_rng(0).normal(0, 1, (50, 2, 50, 64)).astype(np.float16)
    activity = np.random.default_rng(1).random((500, 22))
    whole = footage.tick_levels(logmel, 500), footage.onset_rates(logmel, activity)
    for block_s in (7, 25, 49):
        monkeypatch.setattr(footage, "BLOCK_S", block_s)
        np.testing.assert_allclose(footage.tick_levels(logmel, 500), whole[0], rtol=1e-6)
        np.testing.assert_array_equal(footage.onset_rates(logmel, activity), whole[1])


def test_players_of_hours_are_counted_block_by_block_as_if_at_once(monkeypatch):
    shares = np.random.default_rng(2).uniform(-9, -1, (50, len(GROUPS), 11, 14)).astype(np.float32)
    whole, inside = photo_sight._over_time(shares)
    monkeypatch.setattr(photo_sight, "BLOCK", 7)
    parts, again = photo_sight._over_time(shares)
    np.testing.assert_allclose(parts, whole, rtol=1e-12)
    np.testing.assert_array_equal(again, inside)


def test_two_readings_are_joined_by_sense():
    drawn = read(photo(("piano", 0.8, 1, 4)), *[DRUMS] * SECONDS)
    filmed = read(photo(("violin", 0.8, 1, 4)), *[GUITAR] * SECONDS)
    joined = by_sense(drawn, filmed, picture_familiar=0.1, sound_familiar=1.0)
    assert joined.seen == filmed.seen
    np.testing.assert_array_equal(joined.heard, drawn.heard)
    with pytest.raises(ValueError, match="80 and 90 ticks"):
        by_sense(drawn, read(photo(), *[GUITAR] * 9), 0.5, 0.5)
