"""One page per method, made from its file: `python -m musicavqa.methods.pages [docs/methods]`.

Nothing is written twice: the docstring is the text, CARD and options give the facts, parameters are
counted on the meta device (no memory, no numbers), published scores come from the catalogue, what
was measured from docs/zoo*.json and beside them (`measured.py`). tests/methods/test_method_pages.py
says when a page is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musicavqa.files import write_text
from musicavqa.methods import systems
from musicavqa.methods.measured import grounded, listens, on_record
from musicavqa.methods.recipes import published_notes
from musicavqa.methods.registry import Method, few, list_methods, load_method
from musicavqa.methods.showing import plans_of, recipe_line, scores
from musicavqa.terminal import say

FOLDER = Path("docs") / "methods"
REMAKE = "python -m musicavqa.methods.pages"
_HEAD = f"<!-- made by `{REMAKE}`; edit the method's file instead -->\n"
_MARKS = ("specialised_input", "spatial_temporal", "music_specific")


def main(arguments: list[str]) -> None:
    """Write all pages into a folder."""
    folder = Path(arguments[0]) if arguments else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    made = pages(list_methods(), on_record())
    for name, text in made.items():
        write_text(folder / name, text)
    say(f"{len(made)} pages in {folder}")


def pages(names: list[str], measured: Mapping[str, Any]) -> dict[str, str]:
    """File name -> text: a page for each of these methods, and README.md with the table.

    `measured` is what `on_record` gives, or empty.
    """
    methods = [load_method(name) for name in names]
    made = {f"{method.name}.md": page(method, measured) for method in methods}
    return {"README.md": index(methods), **made}


def index(methods: list[Method]) -> str:
    """The table of all methods, by year."""
    rows = ["| method | what it is | year | checked against | parameters | published |"]
    rows += ["|---|---|---|---|---|---|"]
    for method in sorted(methods, key=lambda method: (method.card.year, method.name)):
        card = method.card
        counts = [f"{count_parameters(method, o):,}" for o in _configurations(method).values()]
        rows.append(
            f"| [{method.name}]({method.name}.md) | {card.family} | {card.year} "
            f"| {card.reference} | {' | '.join([*counts, ''][:2])} |"
        )
    return (
        f"{_HEAD}# Methods\n\nParameters with the default options, and with those of the paper "
        f"(`PUBLISHED`) where there are any.\n\n{_lines(rows)}\n"
        "## The systems of the survey\n\nWhich of the 39 are here, what each was checked against "
        f"(numbers of its official code, or its printed equations), and what is missing.\n\n"
        f"{systems.table()}"
    )


def page(method: Method, measured: Mapping[str, Any]) -> str:
    """What is worth knowing of one method, short."""
    card = method.card
    first, _, rest = (method.module.__doc__ or "").strip().partition("\n")
    parts = [
        f"{_HEAD}# {method.name}\n\n*{card.title}*, {card.venue} {card.year}. "
        f"Family: {card.family}. Checked against: {card.reference}.\n",
        f"{first}\n\n{rest.strip()}\n" if rest.strip() else f"{first}\n",
        _facts(method),
        _recipe(method),
        _official(method),
        _measured(method.name, measured),
        listens(method.name, measured),
        grounded(method.name, measured),
        _published_scores(card.official_scores),
    ]
    return "\n".join(part for part in parts if part)


def count_parameters(method: Method, options: Any) -> int:
    """Numbers that training changes."""
    import torch

    with torch.device("meta"):
        return sum(weight.numel() for weight in method.build(options).parameters())


def _configurations(method: Method) -> dict[str, Any]:
    found = {"default": method.module.Options()}
    if hasattr(method.module, "PUBLISHED"):
        found["published"] = method.module.PUBLISHED
    return found


def _facts(method: Method) -> str:
    found = _configurations(method)
    facts = {
        "streams": [method.streams(options) for options in found.values()],
        "texts": [method.texts(options) for options in found.values()],
    }
    rows = [f"| | {' | '.join(found)} |", f"|---{'|---' * len(found)}|"]
    for name, cells in facts.items():
        if any(cells):
            rows.append(f"| {name} | {' | '.join(map(_code, cells))} |")
    counts = [f"{count_parameters(method, options):,}" for options in found.values()]
    rows.append(f"| parameters | {' | '.join(counts)} |")
    marks = [mark.replace("_", "-") for mark in _MARKS if getattr(method.card, mark)]
    more = [f"Marks of the survey: {', '.join(marks)}."] if marks else []
    if stages := method.stages():
        more.append(f"Stages before answering: {_code(tuple(stages))}.")
    return f"## Facts\n\n{_lines(rows)}" + (f"\n{' '.join(more)}\n" if more else "")


def _official(method: Method) -> str:
    if not (keys := getattr(method.module, "OFFICIAL_KEYS", {})):
        return ""
    dead = getattr(method.module, "DEAD_KEYS", ())
    left = few([f"`{key}`" for key in dead]) if dead else "nothing"
    if own := getattr(method.module, "OWN_PARTS", ()):
        return (
            f"## Official weights\n\n`load_method({method.name!r}).convert(state)` gives official "
            f"tensors our names; left behind: {left}. They fill a part only, not {_code(own)}, so "
            "they are something to begin training with, and `musicavqa convert` refuses them.\n"
        )
    if unfilled := _unfilled(method):
        return (
            f"## Official weights\n\n{len(keys)} groups of keys have a place here, left behind: "
            f"{left}. Nothing official fills {few([f'`{key}`' for key in unfilled])}, so "
            "`musicavqa convert` refuses them.\n"
        )
    reads_pieces = hasattr(method.module.Options(), "word_pieces")
    words = " --words vocab.txt" if reads_pieces else ""
    of_bert = " `vocab.txt` (or `tokenizer.json`) is that of bert-base-uncased." if words else ""
    return (
        f"## Official weights\n\n`musicavqa convert {method.name} checkpoint.pt{words}`; "
        f"{len(keys)} groups of keys have a place here, left behind: {left}.{of_bert}\n"
    )


def _unfilled(method: Method) -> list[str]:
    """Parts of the network at its official sizes for which no official key stands."""
    import torch

    from musicavqa.methods.conversion import official_options

    filled = tuple(method.module.OFFICIAL_KEYS.values())
    with torch.device("meta"):
        names = method.build(official_options(method)).state_dict()
    return sorted({f"{key.split('.')[0]}." for key in names if not key.startswith(filled)})


def _measured(name: str, measured: Mapping[str, Any]) -> str:
    """Accuracies on bandstand with their intervals; nothing for a method that was not run."""
    found = measured.get("studies", {}).get(name)
    if found is None:
        return ""
    rows = ["| questions | accuracy, % | 95 % interval |", "|---|---|---|"]
    for group, (mean, low, high) in found["accuracy"].items():
        rows.append(f"| {group} | {mean:.1f} | {low:.1f} to {high:.1f} |")
    note = f" **{found['note']}**" if "note" in found else ""
    text = (
        "## On bandstand\n\nRendered clips: nothing follows for real footage. The budget of all: "
        f"{found['budget']}; {found['seeds']} seed{'' if found['seeds'] == 1 else 's'}, "
        f"{found['questions']:,} questions. "
        f"[All methods](../zoo.md).{note}\n\n{_lines(rows)}"
    )
    if difference := found.get("minus_first"):
        mean, low, high, p = difference
        text += (
            f"\nMinus {found['first']}: {mean:+.1f} ({low:+.1f} to {high:+.1f}; p {p:.2g} after "
            "Holm's correction).\n"
        )
    return text


def _published_scores(name: str) -> str:
    """Scores of the rows that stand for this method; nothing where there is no catalogue."""
    rows = ["| benchmark | accuracy | questions | source |", "|---|---|---|---|"]
    for row in scores(name):
        questions = "" if row["questions"] is None else f"{row['questions']:,}"
        rows.append(f"| {row['benchmark']} | {row['accuracy']} | {questions} | {row['source']} |")
    return f"## Published scores\n\n{_lines(rows)}" if len(rows) > 2 else ""


def _recipe(method: Method) -> str:
    """How it was published, and in what `--recipe published` is not like that."""
    found = plans_of(method).get("published")
    if found is None:
        return ""
    source, differs = published_notes(method)
    stages = [f"Stage `{name}`: {recipe_line(stage)}." for name, stage in found.stages.items()]
    said = [f"{recipe_line(found.recipe)}.", *stages, f"Read in: {source}."]
    rows = [f"* {text}" for text in differs]
    return (
        f"## Published recipe\n\n`musicavqa train {method.name} --set music_avqa --recipe "
        f"published`: {' '.join(said)}\n" + (f"\nNot as there:\n{_lines(rows)}" if rows else "")
    )


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _lines(rows: list[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


if __name__ == "__main__":
    main(sys.argv[1:])
