"""Run folders of language models: what decides the answers, what came of asking, predictions.

    <out>/<set>/<model>/<hash8>-s0/
      run.json                      model, setting, data: as of every run
      records.jsonl                 everything that came of asking, baselines too (`store`)
      marks.<split>.json            which records are the answers of which setting
      predictions.<split>.jsonl     what `evaluate`, `compare` and `robustness` read
      report.<split>.json           what `llm report` prints

The folder is named by a hash of all that decides answers, so another prompt or another sampling of
the clip is another run. Records, marks, predictions and report of a run that was killed and taken
up again are those of a run that was not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from musicavqa.files import file_name, read_json, write_json
from musicavqa.llm.contract import Adapter
from musicavqa.llm.crew import Crew, ask_by_crew, take_over_parts
from musicavqa.llm.reading import predictions
from musicavqa.llm.reporting import Asked, report
from musicavqa.llm.running import Setting, Task, Tell, ask_all, check_senses, found, plan
from musicavqa.llm.sampling import Policy
from musicavqa.llm.store import hash_of, writing
from musicavqa.records import Clip, Question
from musicavqa.scoring.hard import write_keys
from musicavqa.training import runs

Beyond = Literal["refuse", "leave", "label"]
"""What becomes of questions that the model's senses do not reach."""
MAIN = "the model"
BASELINES = {
    "the question alone": Policy(frames=0, fps=None, sound="none"),
    "one picture, no sound": Policy(frames=1, fps=None, sound="none"),
}
"""What the same model says without the music, or of a single picture from the middle."""


@dataclass(frozen=True)
class Errand:
    """What is asked of a model: questions with their clips, and how."""

    set_name: str
    split: str
    clips: Sequence[Clip]
    questions: Sequence[Question]
    setting: Setting
    scorer: str = "span"
    beyond: Beyond = "refuse"
    baselines: bool = True
    prior_from: Sequence[Question] = ()
    """Questions whose answers the template prior is counted from; none, no such baseline."""


def run_llm(
    errand: Errand,
    adapter: Adapter,
    out: Path,
    tell: Tell | None = None,
    crew: Crew | None = None,
) -> Path:
    """Ask all of it and write the run folder, which is returned; a killed run goes on.

    With a `crew` its workers ask, each with an adapter that it opens itself; `adapter` then only
    says what the model is and can do. ValueError where senses of the model do not reach questions
    and `beyond` refuses; an error of a single question is a record, asked again by the next run.
    """
    lost = check_senses(adapter, errand.questions, errand.beyond != "refuse")
    asked = [q for q in errand.questions if errand.beyond != "leave" or q not in lost]
    if not asked:
        raise ValueError("The model's senses reach none of the questions: nothing to ask.")
    settings = _settings(errand, adapter)
    folder = run_folder(out, errand, adapter)
    folder.mkdir(parents=True, exist_ok=True)
    tasks = {name: plan(asked, errand.clips, adapter, how) for name, how in settings.items()}
    _note(folder, errand, adapter)
    with writing(folder / "records.jsonl") as records:
        take_over_parts(folder, records)
        if crew is not None:
            ask_by_crew(
                folder, {n: (settings[n], tasks[n]) for n in settings}, crew, records,
                _of("", tell),
            )  # fmt: skip
        else:
            for name, how in settings.items():
                ask_all(tasks[name], adapter, how, records, _of(name, tell))
        write_json(folder / f"marks.{file_name(errand.split)}.json", _marks(tasks))
        came = {name: found(tasks[name], records) for name in settings}
    by_key = {task.question.key: task for task in tasks[MAIN]}
    ordered = [by_key[question.key] for question in asked]
    path = folder / f"predictions.{file_name(errand.split)}.jsonl"
    runs.write_predictions(
        path, predictions(ordered, came[MAIN], errand.setting.way, errand.scorer)
    )
    if lost and errand.beyond == "leave":
        write_keys(folder / f"reached.{file_name(errand.split)}.txt", [q.key for q in asked])
    everything = Asked(
        adapter.identity(), adapter.ability, errand.setting, errand.scorer, len(errand.questions),
        {name: (tasks[name], came[name]) for name in settings}, tuple(errand.prior_from),
    )  # fmt: skip
    write_json(report_path(folder, errand.split), report(everything))
    return folder


def requests_of(errand: Errand, adapter: Adapter) -> list[tuple[Question, Policy]]:
    """Every question that would be put, baselines too, with what is taken of its clip."""
    lost = check_senses(adapter, errand.questions, errand.beyond != "refuse")
    asked = [q for q in errand.questions if errand.beyond != "leave" or q not in lost]
    return [(q, how.policy) for how in _settings(errand, adapter).values() for q in asked]


def report_path(folder: Path, split: str) -> Path:
    """Where the report of a split lies."""
    return folder / f"report.{file_name(split)}.json"


def llm_report(folder: Path, split: str = "test") -> dict[str, Any]:
    """The report that a run wrote; FileNotFoundError where it has not come so far."""
    path = report_path(folder, split)
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}. Run: musicavqa llm run (it goes on).")
    told: dict[str, Any] = read_json(path)
    return told


def run_folder(out: Path, errand: Errand, adapter: Adapter) -> Path:
    """Named by the model, and by a hash of all that decides its answers but the split."""
    settings = {**_deciding(errand, adapter), "seed": 0}
    return runs.run_folder(out, errand.set_name, _slug(adapter), settings)


def _slug(adapter: Adapter) -> str:
    name = str(adapter.identity()["model"]).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "model"


def _deciding(errand: Errand, adapter: Adapter) -> dict[str, Any]:
    return {
        "model": adapter.identity(),
        "setting": errand.setting.as_dict(),
        "scorer": errand.scorer,
        "beyond": errand.beyond,
    }


def _settings(errand: Errand, adapter: Adapter) -> dict[str, Setting]:
    """The run itself, and the same without the music."""
    found = {MAIN: errand.setting}
    if errand.baselines:
        for name, policy in BASELINES.items():
            if policy.frames and not adapter.ability.has("V"):
                continue
            found[name] = replace(
                errand.setting, policy=replace(policy, side=errand.setting.policy.side)
            )
    return found


def _note(folder: Path, errand: Errand, adapter: Adapter) -> None:
    """run.json, in the form that every run has."""
    about = {
        "method": _slug(adapter),
        "data": {
            "name": errand.set_name,
            "mute": list(errand.setting.policy.mute),
            "identity": {"streams": {}},
        },
        "recipe": {"seed": 0},
        "options": _deciding(errand, adapter),
        "code": hash_of(_deciding(errand, adapter)),
        "ability": asdict(adapter.ability),
    }
    write_json(folder / runs.ABOUT, about)


def _marks(tasks: dict[str, list[Task]]) -> dict[str, dict[str, str]]:
    return {name: {task.question.key: task.mark for task in some} for name, some in tasks.items()}


def _of(name: str, tell: Tell | None) -> Tell:
    return lambda done, total, remark: tell(done, total, name) if tell else None
