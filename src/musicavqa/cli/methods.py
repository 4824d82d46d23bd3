"""`methods list` and `methods show`: which methods there are, and how one is made and trained."""

from __future__ import annotations

import json
import textwrap
from typing import Annotated, Any

import typer

from musicavqa.cli.shared import Json, app
from musicavqa.terminal import say

methods_app = typer.Typer(help="Methods: list them, show one.", no_args_is_help=True)
app.add_typer(methods_app, name="methods")


@methods_app.command("list")
def list_all(as_json: Json = False) -> None:
    """Every method: family, year, what it was checked against, which recipes it has."""
    from musicavqa.methods.registry import list_methods
    from musicavqa.methods.showing import about_method
    from musicavqa.reports.tables import render

    found = [about_method(name) for name in list_methods()]
    if as_json:
        say(json.dumps(found, indent=1))
        return
    columns = ("method", "family", "year", "checked against", "recipes")
    rows = [
        dict(
            zip(
                columns,
                (
                    about["name"],
                    about["family"],
                    str(about["year"]),
                    about["checked_against"],
                    ", ".join(about["recipes"]),
                ),
                strict=True,
            )
        )
        for about in found
    ]
    say(render(columns, rows))


@methods_app.command()
def show(
    method: Annotated[str, typer.Argument(help="A method name, or a path to your own .py file.")],
    as_json: Json = False,
) -> None:
    """Options, recipes, streams, what is published of it, and how it was checked."""
    from musicavqa.methods.showing import about_method

    about = about_method(method)
    if as_json:
        say(json.dumps(about, indent=1))
        return
    say(f"{about['name']}: {about['title']} ({about['venue']} {about['year']})")
    say(_wrapped(about["summary"], ""))
    say(_wrapped(f"checked against {about['checked_against']}: {about['checked']}", ""))
    _say_options(about["options"], about["published"] is not None)
    _say_recipes(about)
    if about["published"] is not None:
        _say_published(about["published"])


def _say_options(options: dict[str, Any], published: bool) -> None:
    from musicavqa.reports.tables import render

    columns = ("option", "default", *(["published"] if published else []), "what it is")
    rows = []
    for name, facts in options.items():
        row = {"option": name, "default": _text(facts["default"]), "what it is": facts["help"]}
        same = facts["published"] == facts["default"]
        row["published"] = "" if same else _text(facts["published"])
        rows.append({column: row[column] for column in columns})
    say("\noptions (--set NAME=VALUE; no entry under published: as the default)")
    say(render(columns, rows))


def _say_recipes(about: dict[str, Any]) -> None:
    from musicavqa.methods.card import Recipe
    from musicavqa.methods.showing import recipe_line

    say("\nrecipes for music_avqa (--recipe NAME, --set recipe.NAME=VALUE)")
    for name, found in about["recipes"].items():
        say(_wrapped(f"{name}: {recipe_line(Recipe(**found['recipe']))}", "  "))
        for stage, values in found["stages"].items():
            say(_wrapped(f"  first the stage {stage}: {recipe_line(Recipe(**values))}", "    "))
        streams, texts = ", ".join(found["streams"]) or "none", ", ".join(found["texts"])
        say(_wrapped(f"streams: {streams}{f'; of the question: {texts}' if texts else ''}", "    "))


def _say_published(published: dict[str, Any]) -> None:
    say("\npublished")
    say(_wrapped(f"read in: {published['source']}", "  "))
    for text in published["differs"]:
        say(_wrapped(f"not as there: {text}", "  "))
    for row in published["scores"]:
        asked = "" if row["questions"] is None else f" of {row['questions']} questions"
        line = f"{row['accuracy']} %{asked} of {row['benchmark']} ({row['source']})"
        say(_wrapped(line, "  "))


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, 100, initial_indent=indent, subsequent_indent=f"{indent}  ")
