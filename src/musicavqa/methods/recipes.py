"""What a method is trained with: options, recipe and stages, by a name and with changes to them.

`plan` takes the name of a recipe and a mapping of changes: `{"width": 256}` for the options,
`{"recipe.learning_rate": 1e-4}` and `{"stages.grounding.epochs": 5}` for the rest, or the same in
nested tables, as a TOML file has them. Values may be texts, as a command line gives them.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from musicavqa.methods.card import Recipe
from musicavqa.methods.registry import Method
from musicavqa.questions import vocabulary

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAMES = ("default", "published", "quick")
"""Recipes that may be asked for: ours, that of those who published the method, a short try."""
QUICK_EPOCHS = 3
MUSIC_AVQA = "music_avqa"


@dataclass(frozen=True)
class Plan:
    """All that a run is trained with; every name is resolved."""

    options: Any
    recipe: Recipe
    stages: Mapping[str, Recipe]
    """In order, before answering."""


def plan(
    method: Method,
    data_set: str = "default",
    recipe: str | Recipe = "default",
    changes: Mapping[str, Any] | None = None,
) -> Plan:
    """The recipe of this name, or this Recipe with the default options, with `changes` made.

    ValueError for a name that does not exist, with near matches, and for a value that is none.
    """
    if isinstance(recipe, Recipe):
        found = replace(_default(method, data_set), recipe=recipe)
    elif recipe in NAMES:
        found = {"default": _default, "published": _published, "quick": _quick}[recipe](
            method, data_set
        )
    else:
        raise ValueError(f"There is no recipe {recipe!r}.{near(recipe, NAMES)}")
    return changed(method, found, changes or {}, data_set)


def released_options(method: Method, values: Mapping[str, Any] | None = None) -> Any:
    """The file's PUBLISHED with the released behaviour and our vocabulary, and `values` put in."""
    published = getattr(method.module, "PUBLISHED", method.module.Options())
    names = {field.name for field in dataclasses.fields(published)}
    fixed = {"compat": "released", "n_words": len(vocabulary())}
    chosen = {name: value for name, value in fixed.items() if name in names}
    return method.options({**dataclasses.asdict(published), **chosen, **(values or {})})


def published_notes(method: Method) -> tuple[str, tuple[str, ...]]:
    """Where the published recipe is from, and in what a run here differs from theirs.

    ValueError where the method has no published recipe.
    """
    if (known := getattr(method.module, "REPRODUCTION", None)) is not None:
        return known.source, known.differs
    if not hasattr(method.module, "PUBLISHED"):
        raise ValueError(
            f"{method.name} has no published recipe (checked against: {method.card.reference}). "
            "It has: default, quick."
        )
    return "sizes and streams as its paper or release has them", (
        "How it was trained on MUSIC-AVQA was never released; the schedule is ours.",
    )


def _default(method: Method, data_set: str) -> Plan:
    return Plan(method.options(), method.recipe(data_set), method.stages(data_set))


def _published(method: Method, data_set: str) -> Plan:
    """That for MUSIC-AVQA, whatever the data set: the same training rows serve v2 and -R."""
    published_notes(method)  # refuses where there is none
    options = released_options(method)
    known = getattr(method.module, "REPRODUCTION", None)
    if known is not None:
        return Plan(options, known.recipe, dict(known.stages))
    return Plan(options, method.recipe(MUSIC_AVQA), method.stages(MUSIC_AVQA))


def _quick(method: Method, data_set: str) -> Plan:
    """The default with three epochs and a question per clip in each: a try, not a result."""
    usual = _default(method, data_set)
    stages = {name: _hurried(stage, 1) for name, stage in usual.stages.items()}
    return replace(usual, recipe=_hurried(usual.recipe, QUICK_EPOCHS), stages=stages)


def _hurried(recipe: Recipe, epochs: int) -> Recipe:
    return replace(
        recipe, epochs=min(epochs, recipe.epochs), warmup_epochs=0.0, patience=None,
        batch_questions=None, max_questions_per_clip=1,
    )  # fmt: skip


def changed(
    method: Method, usual: Plan, changes: Mapping[str, Any], data_set: str = "default"
) -> Plan:
    """The plan with these changes, see the top of this file; options decide which stages are."""
    groups: dict[str, dict[str, Any]] = {}
    for name, value in flat(changes).items():
        group, _, field = name.rpartition(".")
        groups.setdefault(group, {})[field] = value
    options = _with(usual.options, groups.pop("", {}), f"{method.name} has no option", "")
    usually = method.stages(data_set, options)
    stages = {name: usual.stages.get(name, stage) for name, stage in usually.items()}
    recipe = _with(usual.recipe, groups.pop("recipe", {}), "A recipe has no", "recipe.")
    for group, values in groups.items():
        first, _, stage = group.partition(".")
        if first != "stages":
            known = ("recipe", *(f"stages.{name}" for name in stages))
            raise ValueError(f"There is nothing {group!r} to set.{near(group, known)}")
        if stage not in stages:
            raise ValueError(f"{method.name} has no stage {stage!r}.{near(stage, list(stages))}")
        stages[stage] = _with(stages[stage], values, "A recipe has no", f"{group}.")
    return Plan(options, recipe, stages)


def flat(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables as one, with dotted names; a name that comes twice raises ValueError."""
    found: dict[str, Any] = {}
    for name, value in changes.items():
        below = flat(value) if isinstance(value, Mapping) else {"": value}
        for rest, inner in below.items():
            whole = f"{name}.{rest}" if rest else str(name)
            if whole in found:
                raise ValueError(f"{whole} is set twice.")
            found[whole] = inner
    return found


def assignments(texts: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping; of a name that comes twice, the last value counts."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (sign and name.strip()):
            raise ValueError(f"A setting is NAME=VALUE, such as width=256; got {text!r}.")
        found[name.strip()] = value.strip()
    return found


def read_options(path: Path) -> dict[str, Any]:
    """A TOML file of options, with tables [recipe] and [stages.NAME], in dotted names."""
    try:
        return flat(tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as TOML: {error}.") from error


def check_widths(options: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse `audio_width=1545` for an `audio_stream` whose rows are 128 wide, and so on.

    `shapes` are those of a row of each stream, or of a question in each text stream.
    """
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    for name, stream in values.items():
        part, _, kind = name.rpartition("_")
        width_name = next((w for w in (f"{part}_width", f"{kind}_width") if w in values), None)
        shape = shapes.get(stream) if kind in ("stream", "text") else None
        if shape is None or width_name is None or values[width_name] in (shape[0], shape[-1]):
            continue
        told = " x ".join(map(str, shape))
        fit = shape[-1] if len(shape) < 3 else shape[0]
        raise ValueError(
            f"{name} is {stream}, whose rows are {told}, but {width_name} is "
            f"{values[width_name]}. Say also: --set {width_name}={fit}"
        )


def near(name: str, known: Iterable[str]) -> str:
    """Near matches of a name that does not exist, or all there are."""
    names = list(known)
    if not names:
        return " There are none."
    found = get_close_matches(name, names, n=3)
    return f" Did you mean {' or '.join(found)}?" if found else f" There are: {', '.join(names)}."


def _with(owner: Any, values: Mapping[str, Any], unknown: str, prefix: str) -> Any:
    """A dataclass with these values; checks in its `__post_init__` see them all at once."""
    names = [field.name for field in dataclasses.fields(owner)]
    for name in values:
        if name not in names:
            raise ValueError(f"{unknown} {name!r}.{near(name, names)}")
    if not values:
        return owner
    kinds = get_type_hints(type(owner))
    read = {name: value_of(kinds[name], value, prefix + name) for name, value in values.items()}
    return replace(owner, **read)


def value_of(kind: Any, value: Any, name: str) -> Any:
    """`value`, a text or already of its kind, as what a field of this type takes."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            if type(None) in inside:
                return None
            raise _refused(name, kind, value)
        return value_of(next(part for part in inside if part is not type(None)), value, name)
    if origin is Literal:
        if value not in inside:
            listed = ", ".join(map(str, inside))
            raise ValueError(f"{name} is one of {listed}, not {value!r}.{near(str(value), inside)}")
        return value
    if origin is tuple:
        return _tuple_of(inside, value, name)
    return _plain_value(kind, value, name)


def _tuple_of(inside: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)
    if len(inside) == 2 and inside[1] is Ellipsis:
        return tuple(value_of(inside[0], part, name) for part in parts if part != "")
    if len(parts) != len(inside):
        raise ValueError(f"{name} takes {len(inside)} values with commas between, got {value!r}.")
    return tuple(value_of(kind, part, name) for kind, part in zip(inside, parts, strict=True))


def _plain_value(kind: Any, value: Any, name: str) -> Any:
    """A text, a whole number, a number or a truth value."""
    if kind is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise _refused(name, kind, value)
    if (
        kind in (int, float)
        and isinstance(value, int | float | str)
        and not isinstance(value, bool)
    ):
        try:
            number = kind(value)
        except ValueError as error:
            raise _refused(name, kind, value) from error
        if number == number and (isinstance(value, str) or number == value):
            return number
    elif kind is str and isinstance(value, str):
        return value
    raise _refused(name, kind, value)


_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _refused(name: str, kind: Any, value: Any) -> ValueError:
    return ValueError(f"{name} takes {_WORDS.get(kind, str(kind))}, not {value!r}.")
