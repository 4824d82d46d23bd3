"""Official checkpoints -> ours: other key names, and rows in the order of our words and answers.

A released network numbers words and answers by its training file, and those numbers are part of its
weights. Its word list and ours differ only in order and in '<unk>', so the rows of its word tables
are put into our order and the converted model answers on `Batch.words` like any other:

* '<pad>' keeps its row: released code reads padding like words.
* '<unk>' gets the mean of all words' rows where the official list has none (official code cannot
  read a word that it does not know).
* Words that our templates never use have no number here; their rows are left out and counted.
* A network that reads BERT's word pieces (option `word_pieces`) keeps its whole table; with BERT's
  own list, which begins with '[PAD]', our questions are read in its pieces (`layers/word_pieces`).
* A word counts as it is spelled in the official list. Some official readers cut the last character
  of a question even when it is no question mark; such stumps are words that we never use.

Answers are put into the order of `answers.ANSWERS`, which is the official one.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from musicavqa.answers import ANSWERS
from musicavqa.files import parse_json, write_json
from musicavqa.methods.layers.word_pieces import is_piece_list, piece_tables
from musicavqa.methods.recipes import released_options
from musicavqa.methods.registry import Method, few, load_method, save_checkpoint
from musicavqa.questions import vocabulary
from musicavqa.tensor_files import read_torch_file, tensors_by_name

OFFICIAL_WORDS = (
    "<pad>", "How", "many", "instruments", "are", "sounding", "in", "the", "video", "What", "kind",
    "of", "instrument", "is", "leftest", "musical", "it", "did", "not", "sound", "from",
    "beginning", "to", "end", "Is", "on", "left", "louder", "than", "right", "guzheng", "types",
    "accordion", "always", "playing", "clarinet", "there", "a", "voiceover", "this", "cello",
    "violin", "flute", "pipa", "piano", "Which", "that", "sounds", "at", "same", "time", "as",
    "acoustic_guitar", "Where", "first", "electric_bass", "drum", "more", "rhythmic", "ukulele",
    "banjo", "saxophone", "trumpet", "erhu", "middle", "congas", "entire", "tuba", "bagpipe",
    "loudest", "comes", "xylophone", "bassoon", "suona", "second", "appeared", "performance",
    "rightest", "coming", "third", "last", "Are", "and", "makes", "before", "after", "lowest",
    "fourth", "longer", "fifth", "were", "heard", "throughout",
)  # fmt: skip
"""The word list of the official training file, by first appearance."""

WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
"""Entries under which training scripts keep the weights among other things, one in another too."""

PREFIXES = ("module.", "model.", "net.", "network.")
"""What wrappers put before the name of every tensor; `_orig_mod.` of torch.compile is anywhere."""

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Conversion:
    """What became of an official checkpoint."""

    folder: Path
    """Holds checkpoint.safetensors and run.json: a run folder, to predict with."""
    n_parameters: int
    n_left_behind: int
    """Official tensors that reach no output."""
    words_left_out: tuple[str, ...]
    """Words of the official list that none of our templates has."""


def convert(
    method: str | Path,
    checkpoint: Path,
    out: Path,
    options: Mapping[str, Any] | None = None,
    words: Sequence[str] = OFFICIAL_WORDS,
    answers: Sequence[str] = ANSWERS,
) -> Conversion:
    """Write a run folder under `out` with the weights of an official `checkpoint`.

    `options` are put into those of the paper (`official_options`); `words` and `answers` are the
    lists of the official training file. ValueError names what does not fit.
    """
    found = load_method(method)
    known = (*getattr(found.module, "OFFICIAL_KEYS", ()), *found.dead_keys())
    official = plain_names(read_official(checkpoint), known)
    model, left_out = official_model(found, official, options, words, answers)
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    folder = Path(out) / "music_avqa" / Path(found.name).stem / f"official-{digest[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(folder / "checkpoint.safetensors", found, model)
    n_parameters = sum(weight.numel() for weight in model.parameters())
    about = {
        "method": found.name,
        "options": dataclasses.asdict(model.options),
        "parameters": n_parameters,
        "recipe": {},
        "data": {"name": "music_avqa", "identity": {"weights": digest}, "mute": []},
        "converted_from": {
            "file": checkpoint.name,
            "sha256": digest,
            "words": list(words),
            "answers": list(answers),
        },
    }
    write_json(folder / "run.json", about)
    n_left = sum(key.startswith(found.dead_keys(official)) for key in official)
    return Conversion(folder, n_parameters, n_left, left_out)


def official_options(
    method: Method,
    values: Mapping[str, Any] | None = None,
    words: Sequence[str] = OFFICIAL_WORDS,
) -> Any:
    """The options of the paper (`PUBLISHED`) with the released behaviour and our vocabulary.

    A file's OFFICIAL_OPTIONS say where the released network differs from those. `values` overrule
    both; the size of the vocabulary follows from the lists and is none of them.
    """
    values = dict(values or {})
    if given := {"n_words", "word_pieces"} & set(values):
        raise ValueError(f"{min(given)} follows from the word list; pass the list with --words.")
    pieces = _piece_options(method, words) if is_piece_list(words) else {}
    own = getattr(method.module, "OFFICIAL_OPTIONS", {})
    return released_options(method, {**pieces, **own, **values})


def _piece_options(method: Method, words: Sequence[str]) -> dict[str, int]:
    """Sizes of the vocabulary where `words` is BERT's list of pieces."""
    if "word_pieces" not in {field.name for field in dataclasses.fields(method.module.Options)}:
        raise ValueError(f"{method.name} reads words, and --words is a list of word pieces.")
    return {"n_words": len(words), "word_pieces": piece_tables(words)["table"].shape[1]}


def official_model(
    method: Method,
    official: Mapping[str, torch.Tensor],
    options: Mapping[str, Any] | None = None,
    words: Sequence[str] = OFFICIAL_WORDS,
    answers: Sequence[str] = ANSWERS,
) -> tuple[Any, tuple[str, ...]]:
    """The model with official weights in our order, and the words of the list that are left out."""
    if not getattr(method.module, "OFFICIAL_KEYS", None):
        raise ValueError(f"{method.name} has no OFFICIAL_KEYS, so no official weights fit.")
    if own := getattr(method.module, "OWN_PARTS", ()):
        raise ValueError(
            f"Official weights fill only a part of {method.name}: {few(own)} were never trained. "
            f"load_method({method.name!r}).convert(weights) names the others."
        )
    chosen = official_options(method, options, words)
    state = _our_names(method, official)
    tables = () if is_piece_list(words) else word_tables(method, chosen)
    if tables:
        check_words(words)
    elif is_piece_list(words):
        state |= {f"pieces.{name}": table for name, table in piece_tables(words).items()}
    elif tuple(words) != OFFICIAL_WORDS:
        raise ValueError(f"{method.name} with these options reads no words; leave out --words.")
    spare = len(words) - len(vocabulary()) if tables else 0
    shapes = _shapes(method, chosen)
    wanted = {k: _longer(s, spare * (k in tables)) for k, s in shapes.items()}
    _check_pieces(method.name, state, wanted, tables, chosen)
    _check(method.name, state, wanted)
    for name in tables:
        state[name] = reorder_words(state[name], words)
    if tuple(answers) != ANSWERS:
        _reorder_answers(state, answers, chosen)
    with torch.device("meta"):
        model = method.build(chosen)
    kinds = {key: tensor.dtype for key, tensor in model.state_dict().items()}
    state = {key: tensor.to(kinds[key], copy=True) for key, tensor in state.items()}
    model.load_state_dict(state, strict=True, assign=True)
    return model, tuple(w for w in words if w not in vocabulary()) if tables else ()


def read_official(path: Path) -> Tensors:
    """The tensors of a PyTorch file by name, read without running any code that it may hold.

    Weights are found within `WRAPPERS`; numbers and texts beside them are left out.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint {path}.")
    held = read_torch_file(path)
    while inner := next((v for v in _wrapped(held) if isinstance(v, Mapping) and v), None):
        held = inner
    if not isinstance(held, Mapping) or not held:
        raise ValueError(f"{path} holds a {type(held).__name__}, not weights by name.")
    named = {key: value for key, value in held.items() if not _is_beside(value)}
    strange = [str(key) for key, value in (named or held).items() if not _is_named(key, value)]
    if strange:
        raise ValueError(f"{path} holds what is no tensor under {few(strange)}.")
    return tensors_by_name(named, path)


def plain_names(official: Mapping[str, torch.Tensor], known: Collection[str] = ()) -> Tensors:
    """The same tensors without what wrappers put into all their names.

    `known` are beginnings of official names: a prefix that begins one of those is no wrapper's.
    """
    state = {key.replace("_orig_mod.", ""): tensor for key, tensor in official.items()}
    wrappers = [p for p in PREFIXES if not any(name.startswith(p) for name in known)]
    while found := [p for p in wrappers if state and all(key.startswith(p) for key in state)]:
        state = {key.removeprefix(found[0]): tensor for key, tensor in state.items()}
    return state


def _wrapped(held: Any) -> list[Any]:
    return [held.get(name) for name in WRAPPERS] if isinstance(held, Mapping) else []


def _is_beside(value: Any) -> bool:
    """Whether this is a number, a text or an array of numbers that a script keeps with weights."""
    return value is None or isinstance(value, str | int | float | np.generic | np.ndarray)


def word_tables(method: Method, options: Any) -> tuple[str, ...]:
    """Our parameters with one row per word: those that grow by a row with the vocabulary."""
    if not hasattr(options, "n_words"):
        return ()
    grown = _shapes(method, dataclasses.replace(options, n_words=options.n_words + 1))
    return tuple(name for name, shape in _shapes(method, options).items() if shape != grown[name])


def reorder_words(table: torch.Tensor, words: Sequence[str]) -> torch.Tensor:
    """Rows of a word table in our order; rows behind the words (special tokens) stay behind."""
    known = {word: row for row, word in enumerate(words)}
    unknown = table[1 : len(words)].mean(0)  # of all words, '<pad>' left out
    rows = [table[known[word]] if word in known else unknown for word in vocabulary()]
    return torch.cat([torch.stack(rows), table[len(words) :]])


def check_words(words: Sequence[str]) -> None:
    """Refuse a word list that is not one of an official training file."""
    if not words or words[0] != "<pad>":
        raise ValueError(f"A word list begins with '<pad>', this one with {list(words[:1])}.")
    if missing := [w for w in vocabulary() if w not in words and w != "<unk>"]:
        raise ValueError(f"The word list lacks words of our templates: {few(missing)}.")


def _reorder_answers(state: Tensors, answers: Sequence[str], options: Any) -> None:
    """Put the rows of everything that has one per answer into our order, in place."""
    if sorted(answers) != sorted(ANSWERS):
        strange = sorted(set(answers) ^ set(ANSWERS)) or [f"{len(answers)} in all"]
        raise ValueError(f"The answer list is not made of the 42 answers: {few(strange)}.")
    if len(ANSWERS) in vars(options).values():
        raise ValueError("A size of 42 among the options cannot be told from the 42 answers.")
    rows = torch.tensor([list(answers).index(answer) for answer in ANSWERS])
    for name, tensor in state.items():
        if tensor.ndim and len(tensor) == len(ANSWERS):
            state[name] = tensor[rows]


def _our_names(method: Method, official: Mapping[str, torch.Tensor]) -> Tensors:
    try:
        return method.convert(official)
    except (KeyError, IndexError, RuntimeError) as error:
        what = " ".join(str(error).split())[:120]
        raise ValueError(
            f"{method.name}: these weights have not the official names and shapes ({what})."
        ) from error


def _check(name: str, state: Tensors, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ValueError with the names of what is unknown, missing or of another shape."""
    problems = []
    if unknown := [key for key in state if key not in shapes]:
        problems.append(f"it has no {few(unknown)}")
    if missing := [key for key in shapes if key not in state]:
        problems.append(f"nothing fills {few(missing)}")
    wrong = [
        f"{key} {tuple(state[key].shape)} instead of {shape}"
        for key, shape in shapes.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    if wrong:
        problems.append(f"wrong shapes of {few(wrong)}")
    if problems:
        raise ValueError(
            f"These weights do not fit {name} with these options: {'; '.join(problems)}. "
            "Sizes are set with --options, the word list with --words."
        )


def _check_pieces(
    name: str,
    state: Tensors,
    wanted: Mapping[str, tuple[int, ...]],
    tables: Collection[str],
    options: Any,
) -> None:
    """Say which list is missing where a table is one of word pieces and the list is of words."""
    longer = [t for t in tables if t in state and len(state[t]) > 10 * wanted[t][0]]
    if longer and hasattr(options, "word_pieces"):
        raise ValueError(
            f"{name}: {longer[0]} has {len(state[longer[0]]):,} rows, so these weights read BERT's "
            "word pieces. Give its list: --words vocab.txt (or tokenizer.json) of the BERT model "
            "that they started from, bert-base-uncased."
        )


def _shapes(method: Method, options: Any) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {k: tuple(v.shape) for k, v in method.build(options).state_dict().items()}


def _longer(shape: tuple[int, ...], n_rows: int) -> tuple[int, ...]:
    return (shape[0] + n_rows, *shape[1:]) if shape else shape


def _is_named(key: Any, value: Any) -> bool:
    return isinstance(key, str) and isinstance(value, torch.Tensor)


def read_list(path: Path) -> tuple[str, ...]:
    """Words or answers of a text file, one a line, or of a JSON list; a repeated one counts once.

    (One published word list stands twice in its file.) Of a tokenizer.json it is its vocabulary.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    text = path.read_text(encoding="utf-8-sig")
    try:
        items = _items(text, path)
    except ValueError as error:
        raise ValueError(f"{path} is neither a JSON list nor one word a line: {error}") from None
    if not all(isinstance(item, str) for item in items):
        raise ValueError(f"{path} holds more than words.")
    return tuple(dict.fromkeys(item.strip() for item in items if item.strip()))


def _items(text: str, path: Path) -> list[Any]:
    """What a list holds: lines, a JSON list (which begins with '["'), or a tokenizer's words."""
    if path.suffix != ".json" and not text.lstrip().startswith('["'):
        return text.splitlines()
    held = parse_json(text)
    if isinstance(held, list):
        return held
    try:
        numbers = held["model"]["vocab"]
        return sorted(numbers, key=numbers.__getitem__)
    except (KeyError, TypeError, AttributeError):
        raise ValueError("it has no vocabulary under model, vocab") from None
