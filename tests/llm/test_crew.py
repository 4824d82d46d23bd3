"""Workers that share a run: the report of one process, and nothing asked twice whoever is lost."""

import multiprocessing
import random
import time

import pytest

from clusters import one_node_lost
from made_adapters import Hire, make_set
from musicavqa.features.extraction import Engine
from musicavqa.llm import crew, runs
from musicavqa.llm.prompts import preset
from musicavqa.llm.running import Setting
from musicavqa.llm.sampling import parse_policy
from musicavqa.llm.store import Records, read_records

FILES = ("report.train.json", "predictions.train.jsonl", "marks.train.json", "run.json")


def errand(clips, questions, baselines=False):
    setting = Setting("generate", preset("short"), parse_policy("frames=2 side=64"))
    return runs.Errand("synthetic", "train", clips, questions, setting, baselines=baselines)


def run(out, clips, questions, hire, engine=None, baselines=False):
    who = None if engine is None else crew.Crew(engine, hire)
    return runs.run_llm(errand(clips, questions, baselines), hire(), out, crew=who)


def lines(log):
    return log.read_text().splitlines()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Clips, questions, and the run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    clips, questions = make_set(folder, 5, 6)
    log = folder / "log"
    return clips, questions, run(folder, clips, questions, Hire(log), baselines=True), log


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_write_the_files_of_one_process(alone, tmp_path, workers):
    clips, questions, whole, log = alone
    hire = Hire(tmp_path / "log")
    folder = run(tmp_path, clips, questions, hire, Engine(workers=workers), baselines=True)
    for name in FILES:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    assert sorted(lines(hire.log)) == sorted(lines(log))
    assert not (folder / "parts").exists()
    assert not list((folder / "claims").iterdir())


def test_the_same_command_asks_nothing_again_with_or_without_workers(alone, tmp_path):
    clips, questions, *_ = alone
    hire = Hire(tmp_path / "log")
    run(tmp_path, clips, questions, hire, Engine(workers=2))
    asked = lines(hire.log)
    run(tmp_path, clips, questions, hire, Engine(workers=2))
    run(tmp_path, clips, questions, hire)
    assert lines(hire.log) == asked


def test_a_question_that_kills_its_worker_twice_is_an_error_and_the_others_are_answered(
    alone, tmp_path
):
    clips, questions, *_ = alone
    deadly = questions[3]
    hire = Hire(tmp_path / "log", deadly=deadly.text)
    folder = run(tmp_path, clips, questions, hire, Engine(workers=2))
    found = {r["key"]: r for r in read_records(folder / "records.jsonl")}
    failed = {key for key, record in found.items() if record["status"] == "error"}
    same = {q.clip for q in questions if deadly.text in q.text}
    assert deadly.key in failed
    assert failed <= {q.key for q in questions if q.clip in same}
    assert "was killed (SIGKILL)" in found[deadly.key]["error"]["message"]
    assert set(found) == {q.key for q in questions}
    assert len(set(lines(hire.log))) == len(lines(hire.log)) == len(found) - len(failed)
    run(tmp_path, clips, questions, Hire(hire.log), Engine(workers=2))
    assert len(set(lines(hire.log))) == len(lines(hire.log)) == len(questions)


def test_nothing_but_errors_stops_the_crew(alone, tmp_path):
    clips, questions, *_ = alone
    with pytest.raises(ChildProcessError, match="20 errors in a row"):
        run(tmp_path, clips, questions, Hire(tmp_path / "log", fails=("",)), Engine(workers=2))


def test_a_worker_with_another_model_stops_the_run(alone, tmp_path):
    clips, questions, *_ = alone
    hire, other = Hire(tmp_path / "log"), Hire(tmp_path / "log", model="other")
    who = crew.Crew(Engine(workers=2), other)
    with pytest.raises(ValueError, match="A worker opened another model"):
        runs.run_llm(errand(clips, questions), hire(), tmp_path, crew=who)
    assert not hire.log.exists()


def test_a_part_that_was_left_is_taken_over_without_its_cut_line(alone, tmp_path):
    *_, whole, _ = alone
    part = tmp_path / "parts" / "clip-0.jsonl"
    part.parent.mkdir()
    text = (whole / "records.jsonl").read_text().splitlines(keepends=True)
    part.write_text("".join(text[:2]) + text[2][:40])
    records = Records(tmp_path / "records.jsonl")
    crew.take_over_parts(tmp_path, records)
    assert records.n_lines == 2
    assert not part.exists()


def kill_once(out, clips, questions, hire, seconds):
    """Run with two workers and kill the process that began it; whether it was still at it."""
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=run, args=(out, clips, questions, hire, Engine(workers=2)))
    process.start()
    process.join(seconds)
    alive = process.is_alive()
    process.kill()  # nothing where it has ended
    process.join()
    return alive


@pytest.mark.slow
def test_runs_that_are_killed_lose_only_what_was_under_way(alone, tmp_path):
    clips, questions, *_ = alone
    whole = run(tmp_path / "whole", clips, questions, Hire(tmp_path / "other"))
    hire, draw, kills = Hire(tmp_path / "log", pause_s=0.4), random.Random(0), 0
    while kills < 6 and kill_once(
        tmp_path / "broken", clips, questions, hire, 4 + draw.uniform(0, 2)
    ):
        kills += 1
        time.sleep(0.5)  # its workers end with it
    broken = run(tmp_path / "broken", clips, questions, hire, Engine(workers=2))
    for name in FILES:
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    assert kills >= 2
    twice = len(lines(hire.log)) - len(set(lines(hire.log)))
    assert twice <= 2 * kills  # those between the answer and the disk


@pytest.mark.slow
def test_a_lost_node_loses_nothing(alone, tmp_path, cluster):
    clips, questions, *_ = alone
    whole = run(tmp_path / "whole", clips, questions, Hire(tmp_path / "other"))
    hire, where = Hire(tmp_path / "log", pause_s=0.5), Engine("ray", address=cluster[0].address)
    with one_node_lost(cluster, lambda: hire.log.exists() and len(lines(hire.log)) >= 8):
        folder = run(tmp_path / "ray", clips, questions, hire, where)
    for name in FILES:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    assert len(lines(hire.log)) - len(set(lines(hire.log))) <= 1
