"""The task folder for lmms-eval: asked there, for real where it is installed, and scored here."""

import importlib.util
import json
import os
import shutil
import subprocess

import numpy as np
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa.datasets import load_dataset
from musicavqa.llm.lmms_eval import export_lmms_eval
from musicavqa.records import Clip, Question
from musicavqa.scoring.importers import import_predictions

ROWS = [
    ("a", "How many types of musical instruments sound in the video?", "two"),
    ("a", "Is there a voiceover?", "no"),
    ("b", "Where is the performance?", "indoor"),
]
SAID = ["I hear 2.", "No", ""]
CUT = "Answer with a single word or a short phrase."


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "clips").mkdir(parents=True)
    for name in ("a", "b"):
        wave = sine(440, 2.0) if name == "a" else None
        write_media(folder / "clips" / f"{name}.mp4", grey_frames(20), wave=wave)
    lines = [json.dumps({"clip": c, "question": q, "answer": a}) for c, q, a in ROWS]
    (folder / "test.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def asked_py(folder):
    """The exported functions, from the file that lmms-eval loads."""
    spec = importlib.util.spec_from_file_location("asked", folder / "asked.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(folder):
    return [json.loads(line) for line in (folder / "questions.jsonl").read_text().splitlines()]


def log_of(folder, said):
    """Lines as lmms-eval 0.7.3 writes them: without the doc, with what the task kept."""
    keep = asked_py(folder).keep
    return "".join(
        json.dumps({
            "doc_id": place, "target": doc["answer"], "filtered_resps": text,
            "token_counts": [None], "doc_hash": "0", "input": doc["prompt"], **keep(doc, [text]),
        }) + "\n"
        for place, (doc, text) in enumerate(zip(rows_of(folder), said, strict=True))
    )  # fmt: skip


def test_the_folder_holds_every_question_with_its_prompt_and_no_path_of_this_machine(data):
    done = export_lmms_eval("folder", data, data.parent / "task")
    rows = rows_of(done.folder)
    assert (done.n_questions, done.n_left_out) == (3, 0)
    assert [row["key"] for row in rows] == [f"folder/test/{place}" for place in range(3)]
    assert rows[1]["prompt"] == f"Is there a voiceover?\n{CUT}"
    assert [row["clip"] for row in rows] == ["clips/a.mp4", "clips/a.mp4", "clips/b.mp4"]
    task = (done.folder / f"{done.name}.yaml").read_text()
    assert f'task: "{done.name}"' in task
    assert not any(str(data.parent) in file.read_text() for file in done.folder.iterdir())
    assert export_lmms_eval("folder", data, done.folder) == done  # written again, the same


def test_what_is_handed_out_is_the_video_the_sound_or_nothing(data, monkeypatch):
    given = {}
    for give in ("video", "sound", "nothing"):
        done = export_lmms_eval("folder", data, data.parent / give, give=give)
        given[give] = asked_py(done.folder), rows_of(done.folder)
    asked, rows = given["video"]
    monkeypatch.delenv("MUSICAVQA_DATA", raising=False)
    with pytest.raises(KeyError, match="MUSICAVQA_DATA is not set"):
        asked.clip(rows[0])
    monkeypatch.setenv("MUSICAVQA_DATA", str(data.parent))
    with pytest.raises(FileNotFoundError, match=r"clips.a\.mp4 is not there"):
        asked.clip(rows[0])
    monkeypatch.setenv("MUSICAVQA_DATA", str(data))
    (path,) = asked.clip(rows[0])
    assert os.path.samefile(path, data / "clips" / "a.mp4")
    asked, rows = given["sound"]
    (sound,) = asked.clip(rows[0])
    assert (sound["type"], sound["sampling_rate"]) == ("audio", 16000)
    assert len(sound["array"]) == pytest.approx(2 * 16000, abs=2048)
    turns = np.sum(np.diff(np.signbit(sound["array"][4000:20000])))
    assert turns == pytest.approx(2 * 440, abs=4)  # a second of 440 Hz
    with pytest.raises(ValueError, match=r"b\.mp4 has no sound"):
        asked.clip(rows[2])
    asked, rows = given["nothing"]
    assert asked.clip(rows[0]) == []


def test_its_sample_log_comes_back_by_key_and_is_read_by_our_scorer(data, tmp_path):
    done = export_lmms_eval("folder", data, tmp_path / "task")
    log = tmp_path / "20260101_000000_samples_task.jsonl"
    lines = log_of(done.folder, SAID).splitlines(keepends=True)
    log.write_text("".join(reversed(lines)))  # joined by key, not by place
    questions = load_dataset("folder", data, "test")[1]
    found = import_predictions(log, questions)
    assert found.format == "lmms_eval"
    assert [p.answer for p in found.predictions] == ["two", "no", None]
    assert [p.text for p in found.predictions] == SAID
    assert found.predictions[0].rule == "span/1"
    assert asked_py(done.folder).answered([json.loads(line)["answered"] for line in lines]) == (
        pytest.approx(2 / 3)
    )


def test_letters_are_read_by_the_options_that_were_asked(data, tmp_path):
    done = export_lmms_eval("folder", data, tmp_path / "task", prompt="mcq4")
    rows = rows_of(done.folder)
    letters = ["ABCD"[row["options"].index(row["answer"])] for row in rows]
    log = tmp_path / "x_samples_task.jsonl"
    log.write_text(log_of(done.folder, [*letters[:2], "Z"]))
    found = import_predictions(log, load_dataset("folder", data, "test")[1])
    assert [p.answer for p in found.predictions] == ["two", "no", None]
    assert found.predictions[0].rule == "mcq/1"


def test_clips_that_are_not_here_stop_it_unless_they_are_to_be_left_out(
    data, tmp_path, monkeypatch
):
    loaded = load_dataset("folder", data, "test")
    monkeypatch.setattr("musicavqa.datasets.load_dataset", lambda *_: loaded)
    (data / "clips" / "b.mp4").unlink()
    with pytest.raises(ValueError, match=r"clips of 1 of 3 questions are not under .*first: b"):
        export_lmms_eval("folder", data, tmp_path / "task")
    assert not (tmp_path / "task").exists()
    done = export_lmms_eval("folder", data, tmp_path / "task", partly=True)
    assert (done.n_questions, done.n_left_out) == (2, 1)
    assert export_lmms_eval("folder", data, tmp_path / "blind", give="nothing").n_questions == 3


def test_the_sound_of_another_clip_goes_alone_and_not_with_a_video(data, tmp_path, monkeypatch):
    clips = [Clip(name, data / "clips" / f"{name}.mp4", 2.0) for name in ("a", "b")]
    question = Question("s/test/0", "b", "Is there a voiceover?", 7, (), "A-Existential", "no")
    dubbed = [Question(**{**vars(question), "sound_from": "a"})]
    monkeypatch.setattr("musicavqa.datasets.load_dataset", lambda *_: (clips, dubbed))
    with pytest.raises(ValueError, match=r"1 of 1 questions .* take the sound of another clip"):
        export_lmms_eval("s", data, tmp_path / "task")
    done = export_lmms_eval("s", data, tmp_path / "task", give="sound")
    assert rows_of(done.folder)[0]["clip"] == "clips/a.mp4"


def test_a_folder_with_other_files_is_left_alone(data, command_line):
    code, _, err = command_line(
        "llm", "export-task", data, "--set", "folder", "--data", data, "--prompt", "bare"
    )
    assert code == 1
    assert "holds clips already. Name an empty folder" in err.strip().splitlines()[-1]
    code, _, err = command_line("llm", "export-task", data.parent / "t", "--give", "frames")
    assert code == 1
    assert err.strip() == "musicavqa: --give is 'frames'; choose video or sound or nothing."


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("lmms-eval") is None, reason="needs lmms-eval (pip)")
def test_lmms_eval_itself_asks_the_tasks_and_its_logs_are_scored(data, tmp_path, command_line):
    tasks, names = tmp_path / "tasks", []
    for give in ("video", "nothing"):
        code, said, err = command_line(
            "llm", "export-task", tasks / give, "--set", "folder", "--data", data, "--give", give
        )
        assert code == 0, err
        names.append(said.split("--tasks ")[1].split()[0])
    command = ["lmms-eval", "--tasks", ",".join(names), "--include_path", str(tasks),
               "--log_samples", "--output_path", str(tmp_path / "logs"), "--model", "dummy",
               "--model_args", "response=No,read_bytes=100"]  # fmt: skip
    around = {**os.environ, "MUSICAVQA_DATA": str(data), "HF_HOME": str(tmp_path / "hf")}
    around = {k: v for k, v in around.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=around, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    for name in names:
        (log,) = (tmp_path / "logs").rglob(f"*_samples_{name}.jsonl")
        out = tmp_path / f"{name}.jsonl"
        code, _, err = command_line(
            "predictions", "import", log, "--set", "folder", "--root", data, "--out", out
        )
        assert code == 0, err
        code, said, err = command_line("evaluate", out, "--data", data, "--set", "folder", "--json")
        assert code == 0, err
        assert json.loads(said)["headline"] == pytest.approx(100 / 3)  # 'no' is right once in 3
