"""Find methods by name, by path to one's own file, or through entry points of other packages."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import math
import pkgutil
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from musicavqa.added import added, load_added
from musicavqa.answers import ANSWERS
from musicavqa.files import mark_of, parse_json, replacing
from musicavqa.methods.own_files import load_own_file, method_hash
from musicavqa.questions import vocabulary

if TYPE_CHECKING:
    import torch

    from musicavqa.methods.card import Card, Recipe

ENTRY_POINTS, PLUGIN_POINTS = "musicavqa.methods", "musicavqa.plugins"
CHECKPOINT_FORMAT = "1"
CHECKPOINT = "checkpoint.safetensors"
_NO_METHODS = {
    "card",
    "conversion",
    "layers",
    "measured",
    "own_files",
    "pages",
    "plugins",
    "readers",
    "recipes",
    "registry",
    "showing",
    "systems",
}
"""What lies beside the method files."""
_REQUIRED = ("CARD", "Options", "Model", "RECIPES")


class CheckpointError(ValueError):
    """A checkpoint that does not fit this package."""


@dataclass(frozen=True)
class Method:
    """One method file, loaded. `name` finds it again with `load_method`."""

    name: str
    module: ModuleType
    file: Path | None = None
    """Where the module is from, if it is a file of one's own."""
    content: str | None = None
    """Content hash of that file when it was loaded (`own_files.method_hash`)."""

    @property
    def code(self) -> str:
        """Short hash of the file, of what it imports from beside it, and of our shared layers."""
        return code_hash(self.module)

    @property
    def card(self) -> Card:
        """The file's CARD."""
        return self.module.CARD

    def options(self, values: Mapping[str, Any] | None = None) -> Any:
        """The file's Options with `values` put in; unknown names raise with near matches."""
        names = [field.name for field in dataclasses.fields(self.module.Options)]
        for name in values or {}:
            if name not in names:
                raise ValueError(f"{self.name} has no option {name!r}.{_hint(name, names)}")
        frozen = {k: tuple(v) if isinstance(v, list) else v for k, v in (values or {}).items()}
        return self.module.Options(**frozen)

    def build(self, options: Any = None) -> torch.nn.Module:
        """A fresh model; `options` defaults to the file's defaults."""
        return self.module.Model(self.module.Options() if options is None else options)

    def streams(self, options: Any = None) -> tuple[str, ...]:
        """Streams it reads: `Options.streams` where that exists, else the card's."""
        return getattr(options or self.module.Options(), "streams", self.card.streams)

    def texts(self, options: Any = None) -> tuple[str, ...]:
        """Text streams it reads: `Options.texts` where that exists, else the card's."""
        return getattr(options or self.module.Options(), "texts", self.card.texts)

    def negatives(self, options: Any = None) -> tuple[str, ...]:
        """Streams of which the loop supplies rows from other clips while training."""
        own = getattr(self.module, "NEGATIVES", ())
        return getattr(options or self.module.Options(), "negatives", own)

    @property
    def own_grids(self) -> bool:
        """Whether it reads streams of unequal lengths, by `Batch.there`: the file's OWN_GRIDS."""
        return getattr(self.module, "OWN_GRIDS", False)

    def recipe(self, data_set: str = "default") -> Recipe:
        """The recipe for this data set, or the file's 'default'."""
        recipes = self.module.RECIPES
        return recipes.get(data_set, recipes["default"])

    def stages(self, data_set: str = "default", options: Any = None) -> dict[str, Recipe]:
        """Recipes of what is trained before answering, by name and in order: the file's STAGES.

        Those of them that `Options.stages` names, where that exists.
        """
        stages = getattr(self.module, "STAGES", {})
        wanted = getattr(options or self.module.Options(), "stages", tuple(stages))
        return {
            name: recipes.get(data_set, recipes["default"])
            for name, recipes in stages.items()
            if name in wanted
        }

    def dead_keys(self, official: Collection[str] = ()) -> tuple[str, ...]:
        """Beginnings of official keys that are left behind.

        They are the file's DEAD_KEYS and, where that depends on the weights, its `dead_keys(keys)`.
        """
        always: tuple[str, ...] = getattr(self.module, "DEAD_KEYS", ())
        return (*always, *getattr(self.module, "dead_keys", lambda keys: ())(official))

    def convert(self, official: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Our state dict from an official one, by OFFICIAL_KEYS; DEAD_KEYS are left behind.

        A file whose tensors need more than new prefixes (other names further in, other shapes) has
        `adapt_official(state) -> state`, which runs between the two.
        """
        table: dict[str, str] = getattr(self.module, "OFFICIAL_KEYS", {})
        official = {key.removeprefix("module."): tensor for key, tensor in official.items()}
        dead = self.dead_keys(official)
        official = {key: tensor for key, tensor in official.items() if not key.startswith(dead)}
        official = getattr(self.module, "adapt_official", lambda state: state)(official)
        ours, unknown = {}, []
        for key, tensor in official.items():
            prefix = max((p for p in table if key.startswith(p)), key=len, default=None)
            if prefix is None:
                unknown.append(repr(key))
            else:
                ours[table[prefix] + key[len(prefix) :]] = tensor
        if unknown:
            raise ValueError(f"{self.name}: OFFICIAL_KEYS knows no place for {few(unknown)}.")
        return ours


def few(names: Sequence[str], most: int = 5) -> str:
    """The first of many names, and how many there are, for a message of one line."""
    more = f" and {len(names) - most} more ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def list_methods() -> list[str]:
    """Names of all built-in methods and of those that installed packages add."""
    return sorted({*_built_in(), *_added()})


def load_method(name_or_path: str | Path) -> Method:
    """The method with this name, or the one in this .py file."""
    name = str(name_or_path)
    file = Path(name) if name.endswith(".py") else None
    content = None
    if file is not None:
        content = method_hash(file)
        module = load_own_file(file)
    elif name in _built_in():
        module = importlib.import_module(f"musicavqa.methods.{name}")
    elif name in (added := _added()):
        module = added[name].load()
    else:
        _refuse_language_model(name)
        hint = _hint(name, list_methods())
        raise ValueError(f"There is no method {name!r}.{hint} A path to your own .py works too.")
    missing = [part for part in _REQUIRED if not hasattr(module, part)]
    if not missing and "default" not in module.RECIPES:
        missing = ["RECIPES['default']"]
    if missing:
        raise ValueError(f"{name} is not a method yet: it lacks {', '.join(missing)}.")
    return Method(name, module, file, content)


def _refuse_language_model(name: str) -> None:
    models = importlib.import_module("musicavqa.llm.models")
    if name in models.list_models():
        raise ValueError(
            f"{name} is a language model ({models.card_of(name).tier}): it is taught and asked by "
            "`musicavqa llm`, see docs/llm_models.md."
        )


def code_hash(module: ModuleType) -> str:
    """Short hash of the code of a method or plug-in: 16 hex digits that decide a run's folder.

    `method_hash` of its file; of our own methods all shared layers count too.
    """
    from musicavqa.methods import layers

    assert module.__file__ is not None
    parts = [method_hash(module.__file__)]
    if module.__name__.startswith("musicavqa."):
        shared = sorted(Path(str(layers.__file__)).parent.glob("*.py"))
        parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in shared]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]


def list_plugins() -> list[str]:
    """Names of all built-in plug-ins, and of those that installed packages add."""
    return sorted({*_built_in_plugins(), *added(PLUGIN_POINTS)})


def load_plugin(name_or_path: str | Path) -> ModuleType:
    """The plug-in file with this name, or the one at this .py path."""
    name = str(name_or_path)
    if name.endswith(".py"):
        module = load_own_file(Path(name))
    elif name in _built_in_plugins():
        module = importlib.import_module(f"musicavqa.methods.plugins.{name}")
    elif name in added(PLUGIN_POINTS):
        module = load_added(PLUGIN_POINTS, name, ("Options", "Plugin"))
    else:
        raise ValueError(f"There is no plug-in {name!r}.{_hint(name, list_plugins())}")
    if missing := [part for part in ("Options", "Plugin") if not hasattr(module, part)]:
        raise ValueError(f"{name} is not a plug-in yet: it lacks {', '.join(missing)}.")
    return module


@dataclass(frozen=True)
class Checkpoint:
    """A trained model, ready to answer (eval mode, on the CPU)."""

    model: torch.nn.Module
    method: Method
    streams: tuple[str, ...]
    temperature: float
    """Divides the logits before the softmax, fitted on validation questions."""
    mark: str | None = None
    """Of its file (`files.mark_of`)."""

    @property
    def identity(self) -> dict[str, str | None]:
        """The method's name and the mark of the file, for documents."""
        return {"method": self.method.name, "mark": self.mark}


def save_checkpoint(path: Path, method: Method, model: Any, temperature: float = 1.0) -> None:
    """Write weights with all that is needed to build the model again, in one safetensors file.

    Of a method file of one's own it keeps name and content hash, not the place.
    """
    from safetensors.torch import save_file

    about = {
        "format": CHECKPOINT_FORMAT,
        "method": method.file.name if method.file else method.name,
        "options": json.dumps(dataclasses.asdict(model.options)),
        "temperature": repr(temperature),
        "vocabulary": json.dumps(vocabulary()),
        "answers": json.dumps(ANSWERS),
    }
    if method.content:
        about["method_hash"] = method.content
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    with replacing(path) as part:
        save_file(tensors, part, about)


def load_checkpoint(path: Path | str, method_file: Path | None = None) -> Checkpoint:
    """The model in this run folder (its checkpoint.safetensors) or in this file.

    A checkpoint runs no code but that of methods which are installed. One that was trained with a
    method file of one's own needs that file as `method_file`, with the content that it had then.
    FileNotFoundError, or CheckpointError with what does not fit.
    """
    from musicavqa.tensor_files import TensorFileError, read_safetensors

    path = checkpoint_file(path)
    try:
        tensors, about = read_safetensors(path)
    except TensorFileError as error:
        raise CheckpointError(str(error)) from error
    options, temperature = _facts(path, about)
    method = _method_of(path, about, method_file)
    model = _rebuilt(path, method, options, tensors)
    streams = method.streams(model.options)
    return Checkpoint(model.eval(), method, streams, temperature, mark_of(path))


def checkpoint_file(path: Path | str) -> Path:
    """The checkpoint in a run folder, or this file itself; FileNotFoundError."""
    path = Path(path)
    file = path / CHECKPOINT if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"There is no checkpoint {file}.")
    return file


def _facts(path: Path, about: Mapping[str, str]) -> tuple[dict[str, Any], float]:
    """Values of the options, and the temperature."""
    if about.get("format") != CHECKPOINT_FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of format {CHECKPOINT_FORMAT}.")
    try:
        lists = {name: parse_json(about[name]) for name in ("vocabulary", "answers")}
        options, temperature = parse_json(about["options"]), float(about["temperature"])
    except (KeyError, ValueError, RecursionError) as error:
        raise _damaged(path, f"its description lacks or breaks {error}") from error
    for name, ours in (("vocabulary", vocabulary()), ("answers", ANSWERS)):
        if lists[name] != list(ours):
            raise CheckpointError(f"{path} was trained with another list of {name}.")
    if not isinstance(options, dict) or not 0 < temperature < math.inf:
        raise _damaged(path, f"options {options!r:.60}, temperature {temperature}")
    return options, temperature


def _method_of(path: Path, about: Mapping[str, str], method_file: Path | None) -> Method:
    """The method a checkpoint names: an installed one, or the given file if it is the same."""
    name, content = about.get("method", ""), about.get("method_hash")
    if content is None and method_file is None:
        if name not in list_methods():
            raise CheckpointError(
                f"{path} names the method {name!r}, which is not installed; a checkpoint runs no "
                f"file.{_hint(name, list_methods())} Is it a file of your own? Train it again."
            )
        return load_method(name)
    if content is None:
        raise CheckpointError(f"{path} was trained with the method {name!r}, not with a file.")
    if method_file is None:
        raise CheckpointError(
            f"{path} was trained with a method file, {name!r}, which runs only where you name it: "
            f"--method-file {shlex.quote(name)} (sha256 {content[:12]})."
        )
    if (found := method_hash(method_file)) != content:
        raise CheckpointError(
            f"{method_file} (sha256 {found[:12]}, with what it imports from beside it) is not what "
            f"{path} was trained with ({content[:12]}). Give the file as it was, or train again."
        )
    return load_method(method_file)


def _rebuilt(
    path: Path, method: Method, values: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> torch.nn.Module:
    """The model with these weights.

    Sizes that are not the method's own are compared before memory is taken for them. Its own need
    no such look, and for some of what is built on the device meta torch loads its compiler, which
    lasts longer than all else here.
    """
    import torch

    try:
        options = method.options(values)
        unusual = method.file is None and options != method.options({})
        with torch.device("meta" if unusual else "cpu"):
            model = method.build(options)
    except Exception as error:  # values of any kind may stand where sizes should
        reason = " ".join(str(error).split())[:100]
        raise _damaged(path, f"its options do not make a {method.name}: {reason}") from error
    expected = model.state_dict()
    if strange := sorted(expected.keys() ^ tensors.keys()):
        raise _damaged(path, f"its tensors are not those of {method.name}: {few(strange)}")
    if wrong := [key for key, wanted in expected.items() if not _alike(wanted, tensors[key])]:
        raise _damaged(path, f"its options and its tensors differ in {few(wrong)}")
    if void := [key for key, tensor in tensors.items() if tensor.isnan().any()]:
        raise _damaged(path, f"what is no number stands in {few(void)}")
    model = method.build(options) if unusual else model
    model.load_state_dict(tensors)
    return model


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    kinds = one.dtype.is_floating_point == other.dtype.is_floating_point
    return kinds and one.shape == other.shape


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged: {reason}. Copy it again, or train again.")


def _built_in() -> list[str]:
    import musicavqa.methods as folder

    return [m.name for m in pkgutil.iter_modules(folder.__path__) if m.name not in _NO_METHODS]


def _built_in_plugins() -> list[str]:
    import musicavqa.methods.plugins as folder

    return [m.name for m in pkgutil.iter_modules(folder.__path__) if m.name != "contract"]


def _added() -> dict[str, EntryPoint]:
    return added(ENTRY_POINTS)


def _hint(name: str, names: list[str]) -> str:
    near = get_close_matches(name, names, n=3)
    return f" Did you mean {' or '.join(near)}?" if near else f" There are: {', '.join(names)}."
