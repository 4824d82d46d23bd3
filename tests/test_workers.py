"""Work shared out to processes: nothing is lost when one is killed, and nobody is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from musicavqa import workers
from musicavqa.processes import has_ended
from musicavqa.workers import do_all
from processes import children

JOBS = [(number, "") for number in range(5)]


def deadly(job, tick):
    """A worker's job: its number; `once` and `always` kill the worker that has it."""
    number, wish = job
    if wish and not (wish != "always" and Path(wish).exists()):
        if wish != "always":
            Path(wish).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def called(job):
    return f"number {job[0]}"


@pytest.mark.parametrize("n_workers", [1, 2])
def test_every_job_is_done(n_workers):
    assert sorted(do_all(deadly, JOBS, n_workers, called)) == list(range(5))


def test_a_job_whose_worker_was_killed_is_done_by_another(tmp_path):
    jobs = [*JOBS, (5, str(tmp_path / "killed"))]
    assert sorted(do_all(deadly, jobs, 2, called)) == list(range(6))
    assert (tmp_path / "killed").exists()


def test_a_job_that_kills_its_worker_twice_stops_all_in_one_line():
    with pytest.raises(
        ChildProcessError, match=r"number 5 was killed \(SIGKILL\) twice.*--workers"
    ):
        list(do_all(deadly, [*JOBS, (5, "always")], 2, called))


def test_something_may_stand_for_a_job_that_kills_its_worker_twice():
    jobs = [*JOBS, (5, "always")]
    found = list(do_all(deadly, jobs, 2, called, lambda job, why: (job[0], why)))
    assert set(found) == {*range(5), (5, "was killed (SIGKILL)")}


def test_lessons_leave_no_worker_behind_when_they_are_killed(tmp_path):
    script = (
        "from pathlib import Path; from test_workers import slow\n"
        "from musicavqa.training.lessons.shards import make_material\n"
        f"if __name__ == '__main__': make_material(Path({str(tmp_path)!r}), 4, 1, slow, 2, print)"
    )
    path = tmp_path / "lesson.py"
    path.write_text(script)
    here = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    run = subprocess.Popen(
        [sys.executable, str(path)], env={**os.environ, "PYTHONPATH": here}, cwd=tmp_path
    )
    while not list(tmp_path.glob("*.begun")):
        assert run.poll() is None
        time.sleep(0.02)
    workers = children(run.pid)
    run.kill()
    run.wait()
    deadline = time.monotonic() + 20
    while not all(map(has_ended, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers
    assert all(map(has_ended, workers))


def slow(start, stop):
    """A shard that is not finished while the test looks."""
    Path(f"{os.getcwd()}/{start}.begun").touch()
    time.sleep(60)


def deaf(job, tick):
    """A worker's job that never hears the wish to end, and goes on for long."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tick(os.getpid())
    time.sleep(600)


def test_a_worker_whose_wish_to_end_was_lost_is_killed(monkeypatch):
    monkeypatch.setattr(workers, "GRACE_S", 0.3)
    ids, began = [], time.monotonic()

    def stop(process_id):
        ids.append(process_id)
        raise KeyboardInterrupt

    pool = workers.Pool(deaf, 1, stop)
    pool.submit(0)
    with pytest.raises(KeyboardInterrupt):
        pool.next()
    pool.close()
    assert has_ended(ids[0])
    assert time.monotonic() - began < 300
