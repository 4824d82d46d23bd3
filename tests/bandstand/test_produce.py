"""A split on disk is made once, goes on after a kill, and never keeps a clip of another scene."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from musicavqa.bandstand import render
from musicavqa.bandstand.produce import produce
from musicavqa.processes import has_ended
from processes import children


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


def start_rendering(folder):
    """The command with two workers, when it has rendered something."""
    command = [sys.executable, "-m", "musicavqa.cli", "render", str(folder), "--split", "val"]
    command += ["--clips", "5", "--seconds", "3", "--workers", "2"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(folder.glob("val/clips/*.mp4")):
        assert run.poll() is None, run.communicate()[1]
        time.sleep(0.02)
    return run


def clips_in(folder):
    return sorted(path.name for path in (folder / "val" / "clips").iterdir())


ALL = [f"val-{number:08}.mp4" for number in range(5)]


def test_a_killed_worker_is_replaced_and_no_clip_is_lost(tmp_path):
    run = start_rendering(tmp_path)
    os.kill(children(run.pid)[0], signal.SIGKILL)
    out, err = run.communicate()
    assert (run.returncode, out.strip()) == (0, str(tmp_path / "val")), err
    assert [name for name in clips_in(tmp_path) if name.endswith(".mp4")] == ALL


def test_workers_end_with_their_parent_and_the_next_run_tidies_up(tmp_path):
    run = start_rendering(tmp_path)
    workers = children(run.pid)
    assert workers
    run.kill()
    run.communicate()  # the pipes are closed only when the workers have ended too
    assert all(map(has_ended, workers))
    produce(tmp_path, "val", 5, duration_s=3.0)
    assert clips_in(tmp_path) == ALL
