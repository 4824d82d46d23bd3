"""Stills and stems show and sound as the clips of the same scenes, with the truth of each."""

import copy

import numpy as np
import pytest

from musicavqa.bandstand import sound, stems
from musicavqa.bandstand.fonts import FURTHER, USUAL, find_fonts
from musicavqa.bandstand.render import frames
from musicavqa.bandstand.scene import sample_scene
from musicavqa.bandstand.stills import jittered, letterboxed, performers, still

STEADY = {"seed": 1, "sway": 0.0, "zoom": 0.0, "shake": 0.0}


def clean(index, **camera):
    scene = sample_scene("train", index)
    scene["camera"] = {**STEADY, **camera}
    scene["video"] |= {"blur": 0.0, "grain": 0.0}
    return scene


def test_a_still_is_the_picture_of_the_clip_at_that_time():
    scene = clean(3, sway=0.02, zoom=0.05, shake=0.004)
    for number, frame in enumerate(frames(scene)):
        if number in (0, 42):
            assert (frame == still(scene, (number + 0.5) / 10)).all()
        if number > 42:
            break


@pytest.mark.parametrize("camera", [{}, {"sway": 0.02, "zoom": 0.06, "shake": 0.004}])
def test_performers_stand_where_they_are_drawn(camera):
    for index in range(6):
        scene = clean(index, **camera)
        seen = [player for player in scene["players"] if player["visible"]]
        if not seen:
            continue
        scene["players"], scene["stage"]["occluder"] = [seen[0]], None
        empty = copy.deepcopy(scene)
        empty["players"] = []
        changed = (still(scene, 9.0) != still(empty, 9.0)).any(2)
        rows, columns = np.nonzero(changed)
        ((_, x, y, height),) = performers(scene, 9.0)
        assert abs(np.median(columns) / 320 - x) < 0.05
        assert abs(np.median(rows) / 240 - y) < 0.15
        assert height == pytest.approx(np.ptp(rows) / 240, abs=0.25)


def test_the_letter_box_takes_performers_along():
    picture = np.full((240, 320, 3), 200, np.uint8)
    whole, ((name, x, y, height),) = letterboxed(picture, [(4, 0.25, 0.0, 0.5)], (352, 448))
    assert whole.shape == (352, 448, 3)
    assert (name, height) == (4, 0.5)
    assert x == pytest.approx(0.25)
    assert y == pytest.approx(8 / 352)
    assert not whole[:8].any()
    assert whole[8:344].all()
    wide, ((_, x, y, _),) = letterboxed(picture[:, :120], [(4, 0.0, 0.5, 0.5)], (352, 448))
    assert y == pytest.approx(0.5)
    assert not wide[:, : round(x * 448)].any()
    assert wide[:, round(x * 448)].all()


def test_jitter_changes_colours_and_not_places():
    picture = still(clean(1), 2.0)
    others = [jittered(picture, np.random.default_rng(seed)) for seed in range(12)]
    assert all(other.shape == picture.shape and other.dtype == np.uint8 for other in others)
    assert sum((other != picture).any() for other in others) > 8
    for other in others:
        assert np.corrcoef(other.mean(2).ravel(), picture.mean(2).ravel())[0, 1] > 0.9


def loudness(wave):
    """Of each twentieth of a second."""
    return np.sqrt((wave.reshape(200, -1) ** 2).mean(1))


def spectrum(wave):
    """In bands of 100 Hz: vibrato has no fixed phase."""
    power = np.abs(np.fft.rfft(wave))[:-1] ** 2
    return np.sqrt(power.reshape(-1, 1000).sum(1))


def test_stems_of_many_are_those_of_each_alone():
    font = sound.font_bytes(USUAL)
    scenes = [sample_scene("train", index) for index in (0, 2)]
    players = [player for scene in scenes for player in scene["players"] if player["notes"]][:3]
    together = stems.dry_stems([(p, sorted(p["notes"])) for p in players], font)
    assert len(together) == len(players)
    for player, stem in zip(players, together, strict=True):
        (alone,) = stems.dry_stems([(player, sorted(player["notes"]))], font)
        sounding = sound.active(player["notes"], len(stem))
        assert np.sqrt(np.mean(stem[sounding] ** 2)) == pytest.approx(0.1, rel=1e-3)
        assert np.corrcoef(loudness(stem), loudness(alone))[0, 1] > 0.95
        assert np.corrcoef(spectrum(stem), spectrum(alone))[0, 1] > 0.95
        late = round((max(note[1] for note in player["notes"]) + 0.2) * sound.RATE_HZ)
        assert not stem[late:].any()


def test_a_player_without_notes_makes_no_stem():
    player = sample_scene("train", 0)["players"][0]
    assert stems.dry_stems([(player, [])], sound.font_bytes(USUAL)) == [None]


def test_a_soundfont_is_known_by_what_it_holds(tmp_path, monkeypatch):
    import hashlib

    from musicavqa.bandstand import fonts

    for font in FURTHER:
        (tmp_path / font.file).write_bytes(b"another")
    assert find_fonts([tmp_path]).names == [USUAL]
    assert find_fonts([tmp_path]).missing == FURTHER
    known = [
        fonts.Font(f.name, f.file, hashlib.sha256(b"another").hexdigest(), f.package, "", f.share)
        for f in FURTHER[:2]
    ]
    monkeypatch.setattr(fonts, "FURTHER", tuple(known))
    found = find_fonts([tmp_path])
    assert found.names == [USUAL, "fluid_r3", "musescore_general"]
    assert found.shares == pytest.approx([0.4 / 0.76, 0.18 / 0.76, 0.18 / 0.76])
    assert found.read("fluid_r3") == b"another"
    assert not found.missing
