"""`shortcuts` for all runs of a folder, who listens, and the questions that no shortcut answers."""

import json
import shutil

import numpy as np
import pytest

from musicavqa import many_runs
from musicavqa.answers import ANSWERS
from musicavqa.files import read_json, write_json
from musicavqa.scoring.disturbances import DISTURBANCES
from musicavqa.scoring.hard import counts, hard, only_these, write_keys
from musicavqa.scoring.shortcuts import CLAIMS, find_runs
from signs_world import make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def found(world, tmp_path_factory):
    """The run of the world and a second seed of it, under every disturbance."""
    root, run = world
    runs = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        shutil.copytree(
            run, runs / f"signs-s{seed}", ignore=shutil.ignore_patterns("rob*", "pred*")
        )
        about = read_json(run / "run.json")
        about["recipe"]["seed"] = about["seed"] = seed
        write_json(runs / f"signs-s{seed}" / "run.json", about)
    asked = (root / "data", root / "features")
    result = many_runs.shortcuts([runs], *asked, method_file=root / "signs.py")
    return runs, result


def test_seeds_are_one_system_and_each_disturbance_is_a_column(found):
    system = found[1].systems[0]
    assert (system.name, len(system.files), len(found[1].systems)) == ("signs", 2, 1)
    assert system.undisturbed.mean == 100
    assert list(system.drops) == list(DISTURBANCES)
    expected = {"muted audio": 25, "muted video": 25, "single frame": 0, "shuffled time": 0}
    for name, lost in expected.items():
        assert system.drops[name].drop.mean == pytest.approx(lost)
    # without sound half of the sounding questions are still 'no', and likewise for the picture
    assert system.drops["question only"].drop.mean == pytest.approx(50)
    assert system.drops["one frame alone"].drop.mean == pytest.approx(25)
    assert all(drop.adjusted >= drop.drop.p_value for drop in system.drops.values())


def test_what_is_claimed_follows_from_what_is_lost(found):
    claims = {claim.name: claim for claim in found[1].systems[0].claims}
    assert list(claims) == list(CLAIMS)
    assert claims["hears"].shown
    assert claims["sees"].shown
    assert claims["follows time"].shown is False
    assert claims["needs more than a frame"].shown is False
    assert claims["sees"].drop.mean == pytest.approx(50)  # of the questions that need the eye


def test_hard_questions_are_those_that_no_shortcut_answers(found):
    """Without sound one answer is given to everything; one frame knows what is seen."""
    blind = min(("yes", "no"), key=ANSWERS.index)
    questions = {question.key: question for question in found[1].questions}
    assert found[1].hard
    for key in found[1].hard:
        assert questions[key].cell == "A-Counting"
        assert questions[key].answer != blind
    assert len(found[1].hard) == 24


def test_the_table_the_record_and_the_filter_of_the_command(world, found, command_line, tmp_path):
    root, _ = world
    where = ("--data", root / "data", "--features", root / "features")
    own = ("--method-file", root / "signs.py")
    keys = tmp_path / "hard.txt"
    code, out, err = command_line("shortcuts", found[0], *where, *own, "--hard", keys)
    assert code == 0, err
    assert "bandstand/test: 96 questions, 24 clips" in out
    assert "signs   hears                    yes" in out
    assert keys.read_text().splitlines() == found[1].hard
    assert "A-Counting 24 of 48" in err
    code, out, _ = command_line("shortcuts", found[0], *where, *own, "--json")
    record = json.loads(out)["methods"]["signs"]
    assert record["seeds"] == 2
    assert [claim["shown"] for claim in record["claims"]] == [True, True, False, False]
    file = found[0] / "signs-s0" / "predictions.test.jsonl"
    code, out, _ = command_line("evaluate", file, *where[:2], "--only", keys, "--json")
    assert json.loads(out)["groups"]["overall"]["asked"] == 24
    code, out, _ = command_line("leaderboard", f"a={file}", *where[:2], "--only", keys)
    assert "24 questions, supervised, only the keys of hard.txt" in out


def test_a_folder_without_runs_and_a_wrong_list_of_keys_are_one_line(
    world, found, command_line, tmp_path
):
    root, _ = world
    code, _, err = command_line("shortcuts", tmp_path, "--data", root / "data")
    assert (code, err.count("\n")) == (1, 1)
    assert "No finished run is in" in err
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        find_runs([tmp_path / "gone"])
    (tmp_path / "keys.txt").write_text("bandstand/test/0\nbandstand/test/elsewhere\n")
    with pytest.raises(ValueError, match="1 keys are not asked"):
        only_these(found[1].questions, tmp_path / "keys.txt")
    (tmp_path / "keys.txt").write_text("")
    with pytest.raises(ValueError, match="has no keys"):
        only_these(found[1].questions, tmp_path / "keys.txt")


def test_a_lucky_seed_does_not_make_a_question_easy(found, tmp_path):
    questions = found[1].questions[:3]
    answered = {
        "one frame alone": np.array([[1, 0, 0], [0, 0, 0]], dtype=bool),
        "question only": np.array([[0, 1, 0], [0, 1, 0]], dtype=bool),
    }
    keys = hard(questions, answered)
    assert keys == [questions[0].key, questions[2].key]
    assert sum(kept for kept, _ in counts(questions, keys).values()) == 2
    write_keys(tmp_path / "keys.txt", keys)
    chosen, left = only_these(questions, tmp_path / "keys.txt")
    assert [question.key for question in chosen] == keys
    assert left == {questions[1].key}
    with pytest.raises(ValueError, match="no question can be called hard"):
        hard(questions, {})
