"""All that is needed to believe the accuracy of a language model, from what is on record.

Scorer, what became of every text, what of each clip reached the model, how much of it that was,
what the model was trained on, and what the same questions are worth without the music.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from musicavqa.llm.contract import Ability
from musicavqa.llm.reading import SCORE_RULE, predictions
from musicavqa.llm.running import Setting, Task
from musicavqa.llm.store import hash_of
from musicavqa.records import Prediction, Question
from musicavqa.scoring import evaluation
from musicavqa.scoring.evaluation import ERROR_LIMIT

MOST_UNHEARD_S = 0.5
"""Less than that at the end of a clip is padding of its encoder."""
_AMOUNTS = (
    "frames", "seconds_heard", "seconds_of_sound", "prompt_tokens", "picture_tokens",
    "sound_tokens",
)  # fmt: skip
Came = tuple[Sequence[Task], Mapping[str, dict[str, Any]]]


@dataclass(frozen=True)
class Asked:
    """A run as it stands: what was put and what came of it, by the name of the setting."""

    model: Mapping[str, Any]
    ability: Ability
    setting: Setting
    scorer: str
    n_questions: int
    """Of the split, whether asked or left out."""
    came: Mapping[str, Came]
    """The first is the run itself, the others its baselines."""
    prior_from: Sequence[Question] = ()


def report(asked: Asked) -> dict[str, Any]:
    """Plain values for JSON; the same records give the same report, whatever came in between."""
    (_, (tasks, records)), *baselines = asked.came.items()
    scored = _scored(tasks, records, asked)
    errors = Counter(r["error"]["kind"] for r in records.values() if r["status"] == "error")
    put = len(tasks)
    return {
        "model": dict(asked.model),
        "ability": asdict(asked.ability),
        "setting": asked.setting.as_dict(),
        "scorer": SCORE_RULE if asked.setting.way == "score" else asked.scorer,
        "counts": {
            "questions": asked.n_questions,
            "left out: beyond its senses": asked.n_questions - put,
            "asked beyond its senses": sum(task.lacking is not None for task in tasks),
            "put": put,
            "without an answer yet": put - len(records),
            "errors": sum(errors.values()),
        },
        "errors": dict(sorted(errors.items())),
        "withheld": _withheld(put, put - len(records), sum(errors.values())),
        "score": None if scored is None else scored.as_dict(),
        "receipt": _receipt(records.values()),
        "coverage": _coverage(tasks, records),
        "usage": _usage(records.values()),
        "exposure": asked.ability.trained_on or "not known: assume that it may have seen the set",
        "baselines": _baselines(asked, tasks, records, baselines),
        "records": hash_of([[t.question.key, t.mark, _came(records, t)] for t in tasks]),
    }


def _came(records: Mapping[str, dict[str, Any]], task: Task) -> str:
    return str(records[task.question.key]["status"]) if task.question.key in records else "nothing"


def _withheld(put: int, missing: int, errors: int) -> str | None:
    if missing:
        return f"{missing} of {put} questions were not put yet. The same command goes on."
    if errors > ERROR_LIMIT * put:
        return (
            f"{errors} of {put} questions ended in errors (limit {ERROR_LIMIT:.0%}), which are not "
            "scored. The same command asks them again."
        )
    return None


def _scored(
    tasks: Sequence[Task], records: Mapping[str, dict[str, Any]], asked: Asked
) -> evaluation.Evaluation | None:
    """The evaluation of everything that is no error; None without a known answer."""
    pairs = _answered(tasks, records, asked)
    known = [(q, p) for q, p in pairs if q.answer is not None]
    if not known:
        return None
    return evaluation.evaluate([q for q, _ in known], [p for _, p in known])


def _answered(
    tasks: Sequence[Task], records: Mapping[str, dict[str, Any]], asked: Asked
) -> list[tuple[Question, Prediction]]:
    there = [
        task
        for task in tasks
        if (record := records.get(task.question.key)) and record["status"] != "error"
    ]
    read = predictions(there, records, asked.setting.way, asked.scorer)
    return [(task.question, made) for task, made in zip(there, read, strict=True)]


def _receipt(records: Iterator[dict[str, Any]] | Any) -> dict[str, Any]:
    """Least, mean and most of what reached the model, over answered questions."""
    found: dict[str, list[float]] = defaultdict(list)
    notes: Counter[str] = Counter()
    for record in records:
        for name in _AMOUNTS:
            value = record.get("receipt", {}).get(name)
            if value is not None:
                found[name].append(float(value))
        notes.update(record.get("receipt", {}).get("notes", ()))
    amounts = {
        name: {
            "least": min(values),
            "mean": round(sum(values) / len(values), 3),
            "most": max(values),
            "told for": len(values),
        }
        for name in _AMOUNTS
        if (values := found[name])
    }
    return {**amounts, "notes": dict(sorted(notes.items()))}


def _coverage(tasks: Sequence[Task], records: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Over clips: how long they are, how much was given, and what was not heard."""
    clips: dict[tuple[str, str | None], dict[str, Any]] = {}
    for task in tasks:
        record = records.get(task.question.key, {})
        if "coverage" in record:
            heard = record["receipt"]["seconds_heard"]
            place = (task.question.clip, task.question.sound_from)
            clips[place] = {**record["coverage"], "heard_s": heard}
    if not clips:
        return {"clips": 0}
    some = list(clips.values())
    unheard = [c["duration_s"] - c["heard_s"] for c in some if c["has_sound"]]
    partly = [seconds for seconds in unheard if seconds > MOST_UNHEARD_S]
    return {
        "clips": len(some),
        "duration_s": round(sum(c["duration_s"] for c in some), 3),
        "heard_s": round(sum(c["heard_s"] for c in some), 3),
        "pictures": sum(c["frames"] for c in some),
        "clips not heard whole": len(partly),
        "seconds not heard": round(sum(partly), 3),
        "clips without sound": sum(not c["has_sound"] for c in some),
        "clips without picture": sum(not c["has_picture"] for c in some),
    }


def _usage(records: Any) -> dict[str, Any]:
    """Sums of tokens and money, and which models and fingerprints a server named."""
    sums: dict[str, float] = defaultdict(float)
    named: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name, value in record.get("usage", {}).items():
            if isinstance(value, int | float):
                sums[name] += value
            elif value is not None:
                named[name].add(str(value))
    return {
        **{name: round(value, 6) for name, value in sorted(sums.items())},
        **{name: sorted(values) for name, values in sorted(named.items())},
    }


def _baselines(
    asked: Asked,
    tasks: Sequence[Task],
    records: Mapping[str, dict[str, Any]],
    others: Sequence[tuple[str, Came]],
) -> dict[str, Any]:
    """Name -> accuracy in percent of the questions that the model was scored on, and how many."""
    scored = {q.key: q for q, _ in _answered(tasks, records, asked) if q.answer is not None}
    if not scored:
        return {}
    found = {
        f"{name} (chosen on these questions)": {"accuracy": value, "scored": len(scored)}
        for name, value in evaluation.constants(list(scored.values())).items()
    }
    if asked.prior_from:
        hits = np.mean([_prior(asked.prior_from)(q) == q.answer for q in scored.values()])
        found["template prior (from training questions)"] = {
            "accuracy": float(100 * hits),
            "scored": len(scored),
        }
    for name, (some, came) in others:
        pairs = [(q, p) for q, p in _answered(some, came, asked) if q.key in scored]
        if pairs:
            hits = float(100 * np.mean([p.answer == q.answer for q, p in pairs]))
            found[name] = {"accuracy": hits, "scored": len(pairs)}
    return found


def _prior(questions: Sequence[Question]) -> Any:
    """Question -> the commonest answer of its template, or over all for a template unseen."""
    overall: Counter[str] = Counter()
    of_template: dict[int, Counter[str]] = defaultdict(Counter)
    for question in questions:
        if question.answer is not None:
            overall[question.answer] += 1
            of_template[question.template][question.answer] += 1
    best = {number: counts.most_common(1)[0][0] for number, counts in of_template.items()}
    commonest = overall.most_common(1)[0][0]
    return lambda question: best.get(question.template, commonest)


def lines(told: Mapping[str, Any]) -> str:
    """The report for people."""
    return "\n".join(_lines(told))


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    model, setting, counts, score = told["model"], told["setting"], told["counts"], told["score"]
    yield f"{model['model']}  ({told['ability']['tier']}; senses: {told['ability']['senses']})"
    yield f"  asked      {setting['way']}, prompt {setting['preset']}, {setting['policy']}"
    yield f"  read by    {told['scorer']}"
    yield "  questions  " + ", ".join(f"{name} {n}" for name, n in counts.items() if n)
    if told["errors"]:
        yield "  errors     " + ", ".join(f"{k} {n}" for k, n in told["errors"].items())
    if told["withheld"]:
        yield f"  accuracy   withheld: {told['withheld']}"
    elif score is not None:
        overall = score["groups"]["overall"]
        low, high = overall["interval"]
        yield (
            f"  accuracy   {overall['accuracy']:.2f} %  ({low:.1f} - {high:.1f}, 95 % over clips), "
            f"of {overall['asked']} scored"
        )
        if score["outcomes"]:
            yield "  texts      " + ", ".join(f"{k} {n}" for k, n in score["outcomes"].items())
    for name, base in told["baselines"].items():
        yield f"  beside it  {base['accuracy']:6.2f} %  {name}, of {base['scored']}"
    for name, amount in told["receipt"].items():
        if name == "notes":
            for note, n in amount.items():
                yield f"  received   {note} ({n} questions)"
        else:
            yield (
                f"  received   {name.replace('_', ' ')}: {amount['least']:g} to "
                f"{amount['most']:g}, mean {amount['mean']:g}"
            )
    yield "  clips      " + ", ".join(
        f"{name} {value:g}" for name, value in told["coverage"].items()
    )
    if told["usage"]:
        yield "  used       " + ", ".join(
            f"{name} {value}" for name, value in told["usage"].items()
        )
    yield f"  exposure   {told['exposure']}"
