"""Many machines: Ray tasks, and a node that is lost in the middle. One process holds two nodes."""

from __future__ import annotations

import pytest

from clusters import one_node_lost
from conftest import grey_frames, sine, write_media
from musicavqa.features.extraction import Engine, extract
from musicavqa.records import Clip
from test_extraction import Brightness, Deadly, Faulty, Loudness, clips, contents, unfinished, whole

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

__all__ = ["clips", "whole"]  # fixtures


def test_a_lost_node_loses_nothing_and_doubles_nothing(tmp_path, clips, whole, cluster):
    root, seen = tmp_path / "ray", []
    where = Engine("ray", address=cluster[0].address)
    encoders = [Loudness(0.3), Brightness()]
    with one_node_lost(cluster, lambda: len(list(root.rglob("*.safetensors"))) >= 6):
        report = extract(clips, encoders, root, "set", where, lambda p: seen.append(p.n_done))
    assert report.n_written + report.n_present == 48
    assert (report.skipped, seen[-1]) == ([], 24)
    left = {name: data for name, data in contents(root).items() if not name.endswith(".part")}
    assert left == whole
    assert not [name for name in unfinished(root) if name.endswith(".claim")]


def test_a_clip_that_kills_its_reader_is_skipped_and_named(tmp_path, clips, cluster):
    deadly = write_media(tmp_path / "deadly.mp4", grey_frames(30, 32, 32), wave=sine(200, 3.0))
    some = [clips[0], Clip("deadly", deadly, 3.0)]
    where = Engine("ray", address=cluster[0].address)
    report = extract(some, [Deadly(3)], tmp_path, "set", where)
    assert [note.clip for note in report.skipped] == ["deadly"]
    assert report.n_written == 1


def test_an_error_of_an_encoder_comes_back_as_it_is(tmp_path, clips, cluster):
    where = Engine("ray", address=cluster[0].address)
    with pytest.raises(ArithmeticError, match=r"^the encoder is wrong$"):
        extract(clips[:1], [Faulty()], tmp_path, "set", where)
