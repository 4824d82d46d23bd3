"""Rendered clips: of the right size and length, the same every time, moving where notes are."""

from __future__ import annotations

import copy
import time

import av
import numpy as np
import pytest

from musicavqa.bandstand.gestures import Gestures, motion_at
from musicavqa.bandstand.pose import Motion
from musicavqa.bandstand.render import frames, instruments, render, scene_hash
from musicavqa.bandstand.scene import sample_scene
from musicavqa.bandstand.sound import mix
from musicavqa.questions import INSTRUMENTS

NOTES = [[0.6, 1.0, 64, 90], [1.0, 1.4, 67, 90], [1.4, 1.9, 71, 90]]
PERSON = {
    "skin": 2, "hair": 1, "hair_style": 3, "top": [120, 40, 60], "bottom": [30, 30, 60],
    "face": 1, "height": 1.0,
}  # fmt: skip


def _player(instrument: str, x: float, gestures: list, notes: list, visible: bool = True) -> dict:
    return {
        "instrument": instrument,
        "visible": visible,
        "x": x,
        "depth": 0.2,
        "notes": notes,
        "gestures": gestures,
        "level_db": -4.0,
        "pan": 0.0,
        "patch": 40,
        "detune": 0.0,
        "look": {"variant": 1, "tint": 0.0, "proportion": 1.0, "mirror": False},
        "person": PERSON,
    }


@pytest.fixture
def scene() -> dict:
    players = [_player("violin", 0.3, NOTES, NOTES), _player("flute", 0.7, [], [])]
    return {
        "format": 1,
        "id": "x",
        "seed": 5,
        "duration_s": 3.0,
        "place": "indoor",
        "voiceover": None,
        "players": players,
        "stage": {"seed": 3, "light": 1.0, "warmth": 0.0, "occluder": None},
        "camera": {"seed": 1, "sway": 0.0, "zoom": 0.0, "shake": 0.0},
        "sound": {
            "font": "timgm6mb",
            "room": 0.2,
            "noise_db": -60.0,
            "low_pass_hz": 12000,
            "gain_db": -3.0,
            "seed": 5,
        },
        "video": {"width": 160, "height": 120, "fps": 10, "crf": 26, "blur": 0.0, "grain": 0.0},
    }


def test_all_22_instruments_can_be_drawn():
    assert sorted(instruments()) == sorted(INSTRUMENTS)


def test_frames_have_the_size_and_number_the_scene_says(scene):
    pictures = list(frames(scene))
    assert len(pictures) == 30
    assert {(p.shape, p.dtype) for p in pictures} == {((120, 160, 3), np.dtype(np.uint8))}


def test_the_same_scene_gives_the_same_frames(scene):
    scene["camera"] = {"seed": 1, "sway": 0.02, "zoom": 0.05, "shake": 0.003}
    scene["video"] |= {"grain": 4.0, "blur": 0.5}
    np.testing.assert_array_equal(list(frames(scene)), list(frames(copy.deepcopy(scene))))


def test_only_a_player_with_gestures_moves_and_only_then(scene):
    pictures = np.stack(list(frames(scene))).astype(int)
    change = np.abs(np.diff(pictures, axis=0)).max((1, 3))  # (time, x)
    moving = change[:, :80].max(1) > 20
    assert change[:, 96:].max() == 0
    assert moving[6:18].all()
    assert not moving[:3].any()
    assert not moving[21:].any()


def test_a_player_off_screen_is_heard_but_not_drawn(scene):
    scene["players"] = [_player("violin", -0.2, [], NOTES, visible=False)]
    pictures = list(frames(scene))
    scene["players"] = []
    np.testing.assert_array_equal(pictures[10], next(frames(scene)))


def test_a_near_player_hides_a_far_one(scene):
    near, far = (_player("cello", 0.5, [], []) for _ in range(2))
    far["person"] = {**PERSON, "top": [20, 200, 20]}
    far["depth"] = 0.21
    scene["players"] = [near, far]
    one_order = next(frames(scene))
    scene["players"] = [far, near]
    np.testing.assert_array_equal(one_order, next(frames(scene)))


def test_an_mp4_decodes_to_the_scene(scene, tmp_path):
    path = tmp_path / "clip.mp4"
    render(scene, path)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]
    with av.open(str(path)) as container:
        assert container.duration / 1e6 == pytest.approx(3.0, abs=0.04)
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        blocks = [(f.time, f.to_ndarray()) for f in container.decode(audio=0)]
    errors = np.abs(np.stack(pictures).astype(int) - np.stack(list(frames(scene))))
    assert errors.mean() < 4
    assert blocks[0][0] == 0
    decoded = np.concatenate([samples for _, samples in blocks], 1)[:, : 3 * 32000]
    original = mix(scene).T
    assert decoded.shape == original.shape
    assert np.square(decoded - original).mean() < 0.1 * np.square(original).mean()


def test_the_same_scene_gives_the_same_file_whatever_memory_held_before(tmp_path):
    busy, files = sample_scene("train", 0, duration_s=3.0), set()
    for number in range(6):
        held = [np.full(100_003 * (number + place), 20 * place, np.uint8) for place in range(1, 12)]
        del held[::2]
        render(busy, tmp_path / "clip.mp4")
        files.add((tmp_path / "clip.mp4").read_bytes())
    assert len(files) == 1


def test_a_failed_render_leaves_no_file(scene, tmp_path):
    scene["place"] = "moon"
    with pytest.raises(ValueError, match="moon"):
        render(scene, tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


def test_the_hash_knows_the_content_not_the_order_of_keys(scene):
    turned = dict(reversed(scene.items()))
    assert scene_hash(turned) == scene_hash(scene)
    assert scene_hash({**scene, "seed": 6}) != scene_hash(scene)


def test_who_rests_does_not_move():
    player = _player("violin", 0.5, NOTES, NOTES)
    for time_s in (0.0, 0.5, 2.05, 2.9):
        assert motion_at(player, time_s) == Motion()
    assert motion_at(_player("violin", 0.5, [], NOTES), 1.0) == Motion()


def test_the_bow_turns_at_every_note_and_the_stick_falls_at_its_onset():
    gestures = Gestures(_player("violin", 0.5, NOTES, []))
    before, after = gestures.at(0.98), gestures.at(1.02)
    assert before.bow == pytest.approx(-1.0, abs=0.05)
    assert after.bow == pytest.approx(-1.0, abs=0.05)
    assert gestures.at(1.38).bow == pytest.approx(1.0, abs=0.05)
    assert gestures.at(1.0).strike == 1.0
    assert gestures.at(1.25).strike == 0.0
    assert [gestures.at(t).side for t in (0.8, 1.1, 1.5)] == [0, 1, 0]
    assert gestures.at(1.5).pitch > gestures.at(0.8).pitch


def test_a_chord_is_one_stroke():
    chord = [[0.5, 1.0, 60, 90], [0.506, 1.0, 64, 90], [0.512, 1.0, 67, 90]]
    assert len(Gestures(_player("piano", 0.5, chord, [])).strokes) == 1


def test_motion_is_quick_enough():
    notes = [[0.1 * i, 0.1 * i + 0.09, 60 + i % 12, 90] for i in range(95)]
    start = time.process_time()
    for _ in range(5):
        gestures = Gestures(_player("piano", 0.5, notes, []))
        for index in range(100):
            gestures.at(index / 10)
    assert time.process_time() - start < 0.1  # 0.01 s on an idle core
