"""Train every method on bandstand with an equal budget, answer `test`, and print one table.

    python bench/zoo.py --data data --features features [--epochs 1] [METHOD ...]

Equal budget: the same clips, epochs, clips per step and questions per clip for every method, and no
stages before answering; learning rate, optimiser and schedule are those of its own recipe. Methods
come cheapest first, each with all its seeds; run again, it goes on where it stopped. The last line
is the command that prints the table from the run folders.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from musicavqa.methods import measured

SET_NAME = "bandstand"


def main() -> None:
    settings = arguments()
    if settings.one:
        print(train_and_answer(settings.methods[0], settings.seeds[0], settings))
        return
    methods = settings.methods or by_cost(settings)
    runs = []
    for name in methods:
        for seed in settings.seeds:
            runs.append(alone(name, seed))
            print(f"{name} seed {seed}: {runs[-1]}", file=sys.stderr, flush=True)
    compared = [sys.executable, "-m", "musicavqa.cli", "compare", *runs, "--data", settings.data]
    subprocess.run([*compared, "--table"], check=True)
    print("\nmusicavqa compare --table " + " ".join(runs))
    places = ["--data", settings.data, "--features", settings.features]
    grounded = [sys.executable, "-m", "musicavqa.cli", "grounding", *runs, *places]
    subprocess.run([*grounded, "--markdown"], check=True)
    as_json = subprocess.run([*compared, "--json"], check=True, stdout=subprocess.PIPE, text=True)
    if settings.results is not None:
        found = results(json.loads(as_json.stdout), settings)
        found["grounding"] = measured.compact(json.loads(said(*grounded, "--json")))
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
        "budget": f"passes over the clips of training: {settings.epochs}, in steps of "
        f"{settings.clips_per_step} clips with {settings.questions} questions each",
        "methods": methods,
    }


def span(interval: dict[str, Any]) -> list[float]:
    """Mean and both ends."""
    return [round(interval[end], 2) for end in ("mean", "low", "high")]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("methods", nargs="*", help="in this order; default: all, cheapest first")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--clips-per-step", type=int, default=4, help="few: steps count, too")
    parser.add_argument("--questions", type=int, default=4, help="per clip and epoch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--results", type=Path, help="for the pages of methods: docs/zoo.json")
    parser.add_argument("--shortcuts", action="store_true", help="answer disturbed, too: ten times")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


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
    from musicavqa.methods.registry import load_method

    recipe = load_method(name).recipe(SET_NAME)
    recipe = dataclasses.replace(
        recipe,
        epochs=settings.epochs,
        batch_clips=settings.clips_per_step,
        max_questions_per_clip=settings.questions,
        warmup_epochs=min(recipe.warmup_epochs, settings.epochs / 4),
        patience=None,
    )
    run = workflow.train(
        name,
        settings.data,
        settings.features,
        settings.out,
        seed=seed,
        recipe=recipe,
        stages={},
    )
    workflow.predict(run, settings.data, settings.features, "test")
    return run


if __name__ == "__main__":
    main()
