"""Regions of players and instruments from truth, from a reading, and from a detector's file."""

import json

import numpy as np
import pytest

from musicavqa.bandstand.scene import sample_scene
from musicavqa.bandstand.truth import clip_targets
from musicavqa.features.exchange.importing import Stream, import_features
from musicavqa.features.regions import (
    WIDTH,
    from_detections,
    from_performers,
    from_reading,
    read_detections,
    save_regions,
)
from musicavqa.features.streams import open_streams
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Clip, Reading, Seen


def test_performers_of_a_scene_are_regions_in_every_second():
    performers = np.full((12, 6), np.nan)
    performers[0] = 4, 0.25, 0.5, 0.6, 1, 1
    performers[1] = 7, 0.75, 0.5, 0.6, 1, 0
    rows = from_performers(performers, 3, most=4)
    assert rows.shape == (3, 4, WIDTH)
    assert (rows[0] == rows[2]).all()
    assert rows[0, :, 0].tolist() == [1, 1, 0, 0]
    assert rows[0, 0, 5:].argmax() == 4
    left, top, right, bottom = rows[0, 0, 1:5].tolist()
    assert left < 0.25 < right
    assert top < 0.5 < bottom


def test_a_reading_keeps_the_surest_where_there_are_too_many():
    plain = np.zeros(3)
    seen = tuple(
        Seen(share, np.full(22, 1 / 22), x, 0.5, 0.5, 0.0, plain, 1.0, 1.0)
        for share, x in ((0.2, 0.2), (0.9, 0.5), (0.6, 0.8))
    )
    reading = Reading(
        3.0, 0.1, seen, np.zeros(22), np.zeros((30, 22)), np.zeros(22), np.zeros(22), 0.0, 0.0
    )
    rows = from_reading(reading, 2, most=2)
    np.testing.assert_allclose(rows[0, :, 0], [0.9, 0.6], rtol=1e-6)
    np.testing.assert_allclose(rows[0, :, 5:].sum(-1), 1.0, rtol=1e-5)


FOUND = [
    {"second": 0, "box": [0.1, 0.2, 0.5, 0.9], "label": "violin", "score": 0.8},
    {"second": 0, "box": [0.6, 0.2, 0.9, 0.9], "label": "person", "score": 0.9},
    {"second": 2, "box": [0.0, 0.0, 1.0, 1.0], "label": "tuba", "score": 0.3},
]


def test_a_detector_s_file_becomes_rows_of_its_seconds(tmp_path):
    (tmp_path / "found.json").write_text(json.dumps({"clip-1": FOUND, "clip-2": []}))
    found = read_detections(tmp_path / "found.json")
    rows = {clip: from_detections(here, 3, most=2) for clip, here in found.items()}
    np.testing.assert_allclose(rows["clip-1"][:, :, 0], [[0.9, 0.8], [0, 0], [0.3, 0]], rtol=1e-6)
    assert rows["clip-1"][0, 0, 5:].sum() == 0  # a person: no instrument is told
    assert rows["clip-1"][0, 1, 5:].argmax() == INSTRUMENTS.index("violin")
    assert not rows["clip-2"].any()
    save_regions(tmp_path / "regions", rows)
    kept = np.load(tmp_path / "regions" / "clip-1.npy", allow_pickle=False)
    assert kept.dtype == np.float16
    np.testing.assert_allclose(kept, rows["clip-1"], rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "voilin"}, "no label 'voilin'. There are: violin"),
        ({"box": [0.5, 0.2, 0.1, 0.9]}, "left < right"),
        ({"box": [0.1, 0.2, 0.5]}, "box"),
        ({"box": [0.1, 0.2, float("nan"), 0.9]}, "nan"),
        ({"score": 2}, "score 2.0 cannot be"),
        ({"second": -1}, "Second -1"),
        ({"score": None}, "NoneType"),
    ],
)
def test_a_wrong_detection_is_told_with_its_clip_and_place(change, message, tmp_path):
    path = tmp_path / "found.json"
    path.write_text(json.dumps({"clip-1": [FOUND[0], {**FOUND[1], **change}]}))
    with pytest.raises(ValueError, match=r"detection 1 of clip clip-1|[Nn]a[Nn]") as told:
        read_detections(path)
    assert message.lower() in str(told.value).lower()
    assert len(str(told.value).splitlines()) == 1


def test_what_is_no_file_of_detections_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read_detections(tmp_path / "absent.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(ValueError, match="holds no lists"):
        read_detections(tmp_path / "list.json")


def test_saved_regions_become_a_stream_that_methods_read(tmp_path):
    rows = {"clip-0": np.zeros((3, 8, WIDTH), np.float32)}
    rows["clip-0"][:, 0, :5] = 1.0, 0.1, 0.2, 0.5, 0.9
    save_regions(tmp_path / "regions", rows)
    stream, clips = Stream("visual_regions", (8, WIDTH)), [Clip("clip-0", None, 3.0)]
    report = import_features(tmp_path / "regions", stream, clips, tmp_path / "features", "any")
    assert (report.n_written, report.refused) == (1, [])
    kept = open_streams(tmp_path / "features", ["visual_regions"], "any")["visual_regions"]
    np.testing.assert_allclose(kept["clip-0"], rows["clip-0"], rtol=1e-3)


def test_the_truth_of_a_rendered_clip_says_where_its_players_stand():
    scene = next(s for s in (sample_scene("test", i, duration_s=3.0) for i in range(20))
                 if any(player["visible"] for player in s["players"]))  # fmt: skip
    seen = [player for player in scene["players"] if player["visible"]]
    rows = from_performers(clip_targets(scene)["performers"], 3, most=12)
    there = rows[0][rows[0, :, 0] > 0]
    assert len(there) == len(seen)
    named = {INSTRUMENTS[i] for i in there[:, 5:].argmax(1)}
    assert named == {player["instrument"] for player in seen}
    middles = sorted((there[:, 1] + there[:, 3]) / 2)
    inside = [x for x in (player["x"] for player in seen) if 0.2 < x < 0.8]
    assert all(min(abs(middle - x) for middle in middles) < 0.1 for x in inside)
