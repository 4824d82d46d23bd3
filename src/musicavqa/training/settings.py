"""All that decides the result of a run, and what cannot be trained with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from musicavqa.methods.card import Recipe
from musicavqa.methods.plugins.contract import Plugin
from musicavqa.methods.registry import Method, code_hash, load_plugin
from musicavqa.training.data import Data

Plugins = Mapping[str, tuple[Any, Any]]
"""Name -> (module, options), in the order of the names, which is that of the hooks."""


def check_stages(method: Method, stages: Mapping[str, Recipe]) -> None:
    """Refuse stages that the method does not have, and what no stage can do."""
    known = list(method.stages())
    for name, recipe in stages.items():
        if name not in known:
            raise ValueError(f"{method.name} has no stage {name!r}; its stages: {known}.")
        if recipe.patience is not None:
            raise ValueError(f"Stage {name!r}: nothing is validated in a stage; drop its patience.")


def load_plugins(plugins: Mapping[str, Any], method: Method) -> dict[str, tuple[Any, Any]]:
    """Plug-ins by name or path, with their options (None: the defaults)."""
    if plugins and method.card.trained == "counting":
        raise ValueError(f"{method.name} only counts; no plug-in can take part in that.")
    found = {}
    for name, options in plugins.items():
        module = load_plugin(name)
        found[Path(name).stem] = module, module.Options() if options is None else options
    return dict(sorted(found.items()))


def check_plugins(plugins: Plugins, recipe: Recipe, n_processes: int) -> None:
    """Refuse plug-ins that read one batch's gradients where a step is made of several."""
    if recipe.accumulate == 1 and n_processes == 1:
        return
    for name, (module, _) in plugins.items():
        if module.Plugin.after_backward is not Plugin.after_backward:
            raise ValueError(
                f"Plug-in {name} changes the gradients of a whole batch, but here a step is made "
                f"of {recipe.accumulate} batches in {n_processes} processes. Train it in one "
                "process with accumulate=1."
            )


def check_time(recipes: Iterable[Recipe], n_processes: int) -> None:
    """Refuse a cap on CPU time where several processes would have to agree on theirs."""
    if n_processes > 1 and any(recipe.cpu_minutes is not None for recipe in recipes):
        raise ValueError(
            f"cpu_minutes counts the time of one process, but here {n_processes} train together. "
            "Give epochs or patience instead."
        )


def settings_of(
    options: Any, recipe: Recipe, stages: Mapping[str, Recipe], data: Data, plugins: Plugins
) -> dict[str, Any]:
    """All that decides the result of a run, besides the code of method and plug-ins."""
    added = {name: dataclasses.asdict(values) for name, (_, values) in plugins.items()}
    recipes = {name: dataclasses.asdict(stage) for name, stage in stages.items()}
    return {
        **({"stages": recipes} if recipes else {}),
        **({"plugins": added} if added else {}),
        "options": dataclasses.asdict(options),
        "recipe": dataclasses.asdict(recipe),
        "seed": recipe.seed,
        "data": {
            "name": data.name,
            "identity": dict(data.identity),
            "mute": list(data.mute),
            "clips": len(data.clips),
            "train": len(data.train),
            "validation": len(data.validation),
        },
    }


def code_of(method: Method, plugins: Plugins) -> dict[str, str]:
    """Content hashes of the files of method and plug-ins, by name."""
    added = {name: code_hash(module) for name, (module, _) in plugins.items()}
    return {**added, Path(method.name).stem: method.code}
