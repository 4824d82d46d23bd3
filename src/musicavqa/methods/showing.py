"""What a method says of itself: options, recipes, what is published, how it was checked."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from musicavqa.methods.card import Recipe
from musicavqa.methods.recipes import NAMES, Plan, plan, published_notes
from musicavqa.methods.registry import Method, load_method

CHECKED = {
    "official code": "with the weights of the released code and the same inputs it gives the same "
    "numbers (tests/methods/test_parity*.py)",
    "paper only": "the equations of the paper; no code was released",
    "adapted": "what it is known for, against released code or the paper; how it came to music is "
    "ours",
    "ours": "its tests alone; nobody else has published it",
}
"""What the CARD's `reference` means."""


def about_method(name: str | Path) -> dict[str, Any]:
    """All that is known of a method, ready for JSON; `name` may be a file of one's own.

    Keys: name, title, year, venue, family, checked_against, checked, summary, options (name ->
    default, published, help), recipes (name -> recipe, stages, streams, texts), published (source,
    differs, scores; None where nothing is).
    """
    method = load_method(name)
    card, plans = method.card, plans_of(method)
    summary = (method.module.__doc__ or "").strip().partition("\n")[0]
    return {
        "name": method.name,
        "title": card.title,
        "year": card.year,
        "venue": card.venue,
        "family": card.family,
        "checked_against": card.reference,
        "checked": CHECKED[card.reference],
        "summary": summary,
        "options": _options(method, plans),
        "recipes": {name: _as_dict(method, found) for name, found in plans.items()},
        "published": _published(method) if "published" in plans else None,
    }


def plans_of(method: Method, data_set: str = "music_avqa") -> dict[str, Plan]:
    """Every recipe that the method has, by name."""
    found = {}
    for name in NAMES:
        try:
            found[name] = plan(method, data_set, name)
        except ValueError:
            if name != "published":
                raise
    return found


def recipe_line(recipe: Recipe) -> str:
    """A recipe in one line."""
    size = (
        f"{recipe.batch_questions} questions drawn from all"
        if recipe.batch_questions is not None
        else f"{recipe.batch_clips} clips with {_questions(recipe.max_questions_per_clip)}"
    )
    steps = f" x {recipe.accumulate}" if recipe.accumulate > 1 else ""
    may_stop = recipe.patience or recipe.cpu_minutes
    parts = [
        f"batches of {size}{steps}",
        f"{recipe.optimizer} with betas {recipe.betas[0]:g} and {recipe.betas[1]:g}",
        f"rate {recipe.learning_rate:g} {_schedule(recipe)}",
        f"at most {recipe.epochs} epochs" if may_stop else f"{recipe.epochs} epochs",
    ]
    if recipe.patience:
        parts.append(f"fewer after {recipe.patience} without a better one")
    if recipe.cpu_minutes:
        parts.append(f"at most {recipe.cpu_minutes:g} CPU minutes")
    if recipe.weight_decay:
        parts.append(f"weight decay {recipe.weight_decay:g}")
    if recipe.gradient_clip is not None:
        parts.append(f"gradients at most {recipe.gradient_clip:g} long")
    if recipe.label_smoothing:
        parts.append(f"label smoothing {recipe.label_smoothing:g}")
    if recipe.precision != "float32":
        parts.append(recipe.precision)
    return ", ".join([*parts, f"of equal epochs the {recipe.ties}", f"seed {recipe.seed}"])


def scores(name: str) -> list[dict[str, Any]]:
    """Published overall accuracies of a method of the catalogue; none where there is no catalogue.

    ValueError where the catalogue has no such method.
    """
    if not name or importlib.util.find_spec("musicavqa.catalog") is None:
        return []
    catalogue = importlib.import_module("musicavqa.catalog").load()
    if name not in catalogue.methods:
        raise ValueError(f"CARD.official_scores is {name!r}, and the catalogue has no such method.")
    return [
        {
            "benchmark": f"{row.benchmark} {row.variant}".strip(),
            "accuracy": f"{row.scores['avg']:.{row.decimals}f}",
            "questions": row.questions,
            "source": row.source,
        }
        for row in catalogue.results
        if row.method == name and row.split == "overall" and "avg" in row.scores
    ]


def option_help(kind: type) -> dict[str, str]:
    """Field -> the text under it, of a dataclass and of those that it extends."""
    found: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if dataclasses.is_dataclass(owner):
            found |= dict(_texts_under(owner))
    return found


def _texts_under(owner: type) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except OSError:  # a class without a file has no texts to read
        return
    body = next(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)).body
    for field, text in pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield field.target.id, " ".join(str(text.value.value).split())


def _options(method: Method, plans: dict[str, Plan]) -> dict[str, dict[str, Any]]:
    usual = plans["default"].options
    published = plans["published"].options if "published" in plans else None
    helped = option_help(type(usual))
    return {
        field.name: {
            "default": getattr(usual, field.name),
            "published": None if published is None else getattr(published, field.name),
            "help": helped.get(field.name, ""),
        }
        for field in dataclasses.fields(usual)
    }


def _as_dict(method: Method, found: Plan) -> dict[str, Any]:
    return {
        "recipe": dataclasses.asdict(found.recipe),
        "stages": {name: dataclasses.asdict(stage) for name, stage in found.stages.items()},
        "streams": list(method.streams(found.options)),
        "texts": list(method.texts(found.options)),
    }


def _published(method: Method) -> dict[str, Any]:
    source, differs = published_notes(method)
    return {
        "source": source, "differs": list(differs), "scores": scores(method.card.official_scores)
    }  # fmt: skip


def _questions(most: int | None) -> str:
    if most is None:
        return "all their questions"
    return "a question each" if most == 1 else f"at most {most} questions each"


def _schedule(recipe: Recipe) -> str:
    rise = f" after rising for {recipe.warmup_epochs:g}" if recipe.warmup_epochs else ""
    if recipe.schedule == "step":
        return f"x {recipe.step_factor:g} after every {recipe.step_epochs} epochs{rise}"
    if recipe.schedule == "cosine":
        return f"falling by a cosine{rise}"
    return f"throughout{rise}"
