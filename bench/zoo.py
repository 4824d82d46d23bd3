"""Train methods on bandstand with an equal budget, answer `test`, and print one table.

    python bench/zoo.py --data DATA --features FEATURES --cpu-minutes 4 --patience 6 [METHOD ...]

Equal budget: the same clips, CPU minutes, clips per step, questions per clip and precision for
every method, and no stages before answering; learning rate, optimiser and schedule are those of its
own recipe. A run ends when `val` has not risen for `--patience` passes or its time is over; its
best weights answer. All methods come with the first seed, then all with the next; run again, it
goes on where it stopped. The last line is the command that prints the table from the run folders.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from musicavqa.methods import measured
from musicavqa.reports.tables import render

SET_NAME = "bandstand"
WHY = {"cpu_minutes": "the cap", "patience": "val stopped rising", "epochs": "all passes done"}


def main() -> None:
    settings = arguments()
    if settings.one:
        print(train_and_answer(settings.methods[0], settings.seeds[0], settings))
        return
    methods = settings.methods or by_cost(settings)
    if strange := settings.options.keys() - set(methods):
        raise SystemExit(f"--set changes {', '.join(strange)}, which is not among the methods.")
    runs = []
    for seed in settings.seeds:
        for name in methods:
            runs.append(alone(name, seed))
            print(f"{name} seed {seed}: {told(Path(runs[-1]))}", file=sys.stderr, flush=True)
    taught = [str(answered_by(run, settings)) for run in settings.beside]
    trained, runs = runs, [*runs, *taught]
    compared = [sys.executable, "-m", "musicavqa.cli", "compare", *runs, "--data", settings.data]
    subprocess.run([*compared, "--table"], check=True)
    print("\nmusicavqa compare --table " + " ".join(runs) + "\n")
    rows = [told(Path(run)) for run in trained]
    print(render(list(max(rows, key=len)), rows, "markdown"))
    places = ["--data", settings.data, "--features", settings.features]
    grounded = [sys.executable, "-m", "musicavqa.cli", "grounding", *runs, *places]
    subprocess.run([*grounded, "--markdown"], check=True)
    as_json = subprocess.run([*compared, "--json"], check=True, stdout=subprocess.PIPE, text=True)
    if settings.results is not None:
        found = results(json.loads(as_json.stdout), settings)
        for run in taught:
            row = found["methods"][about(Path(run))["method"]]
            row |= {"note": "Taught with another budget.", "seeds": 1}
        found["runs"] = rows
        found["grounding"] = measured.compact(json.loads(said(*grounded, "--json")))
        for name, options in settings.options.items():
            found["methods"][name]["note"] = f"With {', '.join(options)}."
        if settings.shortcuts:
            listens = [sys.executable, "-m", "musicavqa.cli", "shortcuts", *runs, *places]
            found["shortcuts"] = json.loads(said(*listens, "--json"))
        settings.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def said(*command: Any) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def results(study: dict[str, Any], settings: argparse.Namespace) -> dict[str, Any]:
    """What the pages of the methods show: accuracies, and differences to the first method."""
    differences = {
        comparison["other"]: next(row for row in comparison["rows"] if row["group"] == "overall")
        for comparison in study["comparisons"]
    }
    methods = {}
    for system in study["systems"]:
        groups = {name: span(system["groups"][name]) for name in ("overall", "A", "V", "AV")}
        methods[system["name"]] = {"accuracy": groups, "cost": system["cost"]}
        if row := differences.get(system["name"]):
            methods[system["name"]]["minus_first"] = [*span(row["difference"]), row["adjusted"]]
    return {
        "first": study["systems"][0]["name"],
        "questions": study["systems"][0]["asked"],
        "seeds": len(settings.seeds),
        "budget": budget(settings),
        "methods": methods,
    }


def budget(settings: argparse.Namespace) -> str:
    """What every run had, in words."""
    most = [f"{settings.epochs} passes over the clips of training"]
    if settings.cpu_minutes is not None:
        most.insert(0, f"{settings.cpu_minutes:g} CPU minutes")
    parts = [
        f"at most {' and '.join(most)}",
        f"steps of {settings.clips_per_step} clips with {settings.questions} questions each",
        settings.precision,
    ]
    if settings.patience is not None:
        parts.insert(1, f"fewer when val has not risen for {settings.patience} passes")
    if settings.rate_times != 1:
        parts.append(f"{settings.rate_times:g} times the learning rate of its recipe")
    return ", ".join(parts)


def about(run: Path) -> dict[str, Any]:
    """What run.json of a run folder says."""
    return json.loads((run / "run.json").read_text(encoding="utf-8"))


def told(run: Path) -> dict[str, Any]:
    """How a run went and why it ended: a row of a table."""
    known = about(run)
    row = {"method": known["method"], "seed": known["seed"]}
    if not (run / "log.jsonl").exists():
        return {**row, "ended by": "counting", "val": f"{known['validation_accuracy']:.1f}"}
    log = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    return {
        **row,
        "ended by": WHY[known["ended"]],
        "validations": len(log),
        "best": known["best_epoch"] + 1,
        "val": f"{known['validation_accuracy']:.1f}",
        "val at the end": f"{log[-1]['validation_accuracy']:.1f}",
        "steps": sum(line["steps"] for line in log),
        "questions": known["cost"]["questions"],
        "CPU s": round(known["cost"]["cpu_seconds"]),
    }


def answered_by(run: Path, settings: argparse.Namespace) -> Path:
    """A copy of a run folder that was made otherwise, with its answers to `test`."""
    from musicavqa import workflow

    weights = run / "checkpoint.safetensors"
    mark = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    own = settings.out / SET_NAME / about(run)["method"] / f"{mark}-beside"
    own.mkdir(parents=True, exist_ok=True)
    for path in (weights, run / "run.json"):
        shutil.copy(path, own / path.name)
    workflow.predict(own, settings.data, settings.features, "test")
    return own


def span(interval: dict[str, Any]) -> list[float]:
    """Mean and both ends."""
    return [round(interval[end], 4) for end in ("mean", "low", "high")]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("methods", nargs="*", help="in this order; default: all, cheapest first")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--epochs", type=int, default=30, help="at most so many passes")
    parser.add_argument("--cpu-minutes", type=float, help="at most, for each run")
    parser.add_argument("--patience", type=int, help="passes without a better val; default: all")
    parser.add_argument("--clips-per-step", type=int, default=4, help="few: steps count, too")
    parser.add_argument("--questions", type=int, default=4, help="per clip and epoch")
    parser.add_argument("--rate-times", type=float, default=1.0, help="the recipes' learning rate")
    parser.add_argument(
        "--set",
        dest="options",
        metavar="METHOD.NAME=VALUE",
        nargs="+",
        default=[],
        help="options other than the default ones, as where full size cannot learn in the time",
    )
    parser.add_argument("--precision", default="float32", help="bfloat16: fast with AMX")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--beside", type=Path, nargs="+", default=[], help="runs made otherwise")
    parser.add_argument("--results", type=Path, help="for the pages of methods: docs/zoo*.json")
    parser.add_argument("--shortcuts", action="store_true", help="answer disturbed, too: ten times")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    settings.options = by_method(settings.options)
    return settings


def by_method(given: list[str]) -> dict[str, list[str]]:
    """`mcan.width=256` and the like: method -> its assignments."""
    found: dict[str, list[str]] = {}
    for one in given:
        name, _, assignment = one.partition(".")
        found.setdefault(name, []).append(assignment)
    return found


def by_cost(settings: argparse.Namespace) -> list[str]:
    """All methods, those with the fewest FLOPs per question first."""
    import torch

    from musicavqa.datasets import load_dataset
    from musicavqa.features.streams import embed_texts, open_streams
    from musicavqa.methods.registry import list_methods, load_method
    from musicavqa.training.batches import Collation, make_batches
    from musicavqa.training.costs import count_flops

    clips, questions = load_dataset(SET_NAME, settings.data, "val")
    costs = {}
    for name in list_methods():
        torch.manual_seed(0)
        method = load_method(name)
        model = method.build(method.options()).eval()
        if method.card.trained == "counting":
            costs[name] = 0
            continue
        streams = open_streams(settings.features, method.streams(), SET_NAME)
        collation = Collation(texts=embed_texts(method.texts(), questions[:1]))
        batches = make_batches(clips, questions[:1], streams, collation=collation)
        costs[name] = count_flops(model, next(batches))
    return sorted(costs, key=lambda name: costs[name])


def alone(name: str, seed: int) -> str:
    """The run folder, made by a process of its own, so that its peak memory is its own."""
    flags = [flag for flag in sys.argv[1:] if flag not in arguments().methods]
    command = [sys.executable, __file__, name, *flags, "--one", "--seeds", str(seed)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines()[-1]


def train_and_answer(name: str, seed: int, settings: argparse.Namespace) -> Path:
    from musicavqa import workflow
    from musicavqa.methods.recipes import assignments
    from musicavqa.methods.registry import load_method

    recipe = load_method(name).recipe(SET_NAME)
    recipe = dataclasses.replace(
        recipe,
        epochs=settings.epochs,
        learning_rate=recipe.learning_rate * settings.rate_times,
        batch_clips=settings.clips_per_step,
        max_questions_per_clip=settings.questions,
        warmup_epochs=min(recipe.warmup_epochs, settings.epochs / 4),
        cpu_minutes=settings.cpu_minutes,
        patience=settings.patience,
        precision=settings.precision,
    )
    run = workflow.train(
        name,
        settings.data,
        settings.features,
        settings.out,
        seed=seed,
        recipe=recipe,
        options=assignments(settings.options.get(name, ())),
        stages={},
    )
    workflow.predict(run, settings.data, settings.features, "test")
    return run


if __name__ == "__main__":
    main()
