"""A split on disk is made once, goes on after a kill, and never keeps a clip of another scene."""

import json

import pytest

from musicavqa.bandstand import render
from musicavqa.bandstand.produce import produce


@pytest.fixture
def made(tmp_path, monkeypatch):
    """`made(**changes)` produces three short clips and returns the ids that were rendered."""
    rendered = []

    def draw(scene, path):
        rendered.append(scene["id"])
        path.write_text(json.dumps(scene["duration_s"]))

    monkeypatch.setattr(render, "render", draw)

    def run(**changes):
        rendered.clear()
        produce(tmp_path, "val", 3, **changes)
        return list(rendered)

    run.folder = tmp_path / "val"
    return run


def test_equal_arguments_render_nothing_twice(made):
    assert len(made()) == 3
    before = (made.folder / "questions.jsonl").read_bytes()
    assert made() == []
    assert (made.folder / "questions.jsonl").read_bytes() == before


def test_a_lost_clip_is_rendered_alone(made):
    first = made()
    (made.folder / "clips" / f"{first[1]}.mp4").unlink()
    assert made() == [first[1]]


def test_clips_of_other_scenes_are_rendered_anew(made):
    first = made()
    assert made(duration_s=4.0) == first
    texts = {path.read_text() for path in (made.folder / "clips").iterdir()}
    assert texts == {"4.0"}


def test_a_new_renderer_renders_all_anew(made, monkeypatch):
    first = made()
    monkeypatch.setattr(render, "RENDERER_VERSION", render.RENDERER_VERSION + 1)
    assert made() == first
    identity = json.loads((made.folder / "identity.json").read_text())
    assert sorted(identity["clips"]) == sorted(first)
    assert identity["renderer_version"] == render.RENDERER_VERSION
