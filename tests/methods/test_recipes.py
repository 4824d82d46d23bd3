"""Options, recipes and stages by name, and changes to them in every form."""

import dataclasses
from pathlib import Path

import pytest

from musicavqa.methods.card import Recipe
from musicavqa.methods.recipes import (
    assignments,
    check_widths,
    flat,
    plan,
    read_options,
    released_options,
)
from musicavqa.methods.registry import list_methods, load_method
from musicavqa.methods.showing import about_method, option_help, plans_of, recipe_line

OFFICIAL = [name for name in list_methods() if load_method(name).card.reference == "official code"]


@pytest.mark.parametrize("name", list_methods())
def test_every_method_has_a_default_and_a_quick_recipe(name):
    method = load_method(name)
    found = plans_of(method, "default")
    assert found["default"].options == method.options()
    assert found["default"].recipe == method.recipe()
    assert found["quick"].recipe.epochs <= 3
    assert found["quick"].recipe.patience is None
    assert all(stage.epochs == 1 for stage in found["quick"].stages.values())


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_code_has_a_published_recipe_with_every_question_in_every_epoch(name):
    method = load_method(name)
    found = plan(method, "music_avqa", "published")
    assert found.recipe == method.module.REPRODUCTION.recipe
    assert found.recipe.max_questions_per_clip is None
    published = method.module.PUBLISHED
    assert set(method.streams(found.options)) <= set(method.streams(published))
    if hasattr(published, "compat"):
        assert found.options.compat == "released"
    assert plan(method, "elsewhere", "published") == found


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("avst", {"epochs": 80, "batch_questions": 64, "learning_rate": 1e-4, "step_epochs": 8}),
        ("tspm", {"epochs": 30, "batch_questions": 64, "step_factor": 0.1, "ties": "last"}),
        ("qa_tiger", {"epochs": 15, "batch_questions": 32, "betas": (0.95, 0.999), "seed": 713}),
        ("mccd", {"epochs": 150, "learning_rate": 3e-5, "step_epochs": 20, "step_factor": 0.5}),
        ("sasr_net", {"epochs": 80, "batch_questions": 16, "step_epochs": 16, "step_factor": 0.3}),
        ("tjstg", {"epochs": 30, "learning_rate": 2e-4, "step_epochs": 12}),
        ("avst_baseline", {"epochs": 20, "optimizer": "adam"}),
    ],
)
def test_published_recipes_have_the_released_numbers(name, facts):
    recipe = dataclasses.asdict(plan(load_method(name), "music_avqa", "published").recipe)
    assert {key: recipe[key] for key in facts} == facts


def test_the_published_grounding_stage_comes_with_avst():
    stages = plan(load_method("avst"), "music_avqa", "published").stages
    assert {name: (stage.epochs, stage.batch_clips) for name, stage in stages.items()} == {
        "grounding": (30, 6)
    }


def test_what_nobody_published_is_refused():
    with pytest.raises(ValueError, match=r"question_gru has no published recipe .*default, quick"):
        plan(load_method("question_gru"), "music_avqa", "published")
    with pytest.raises(ValueError, match=r"no recipe 'publisht'. Did you mean published"):
        plan(load_method("tspm"), "music_avqa", "publisht")


def test_published_options_know_our_words():
    assert released_options(load_method("convlstm")).n_words == 94
    assert released_options(load_method("mccd")).n_words == 94


def test_changes_come_as_texts_tables_and_values():
    method = load_method("avst")
    texts = assignments(
        ["width=64", "recipe.learning_rate=1e-3", "stages.grounding.epochs=2", "dropout = 0",
         "recipe.betas=0.9,0.98", "recipe.gradient_clip=none"]
    )  # fmt: skip
    table = {
        "width": 64,
        "dropout": 0,
        "recipe": {"learning_rate": 0.001, "betas": [0.9, 0.98], "gradient_clip": None},
        "stages": {"grounding": {"epochs": 2}},
    }
    found = plan(method, "bandstand", "default", texts)
    assert found == plan(method, "bandstand", "default", table)
    assert (found.options.width, found.options.dropout) == (64, 0.0)
    assert found.recipe.betas == (0.9, 0.98)
    assert found.recipe.gradient_clip is None
    assert found.stages["grounding"].epochs == 2
    assert found.recipe.epochs == plan(method, "bandstand").recipe.epochs


def test_a_file_says_the_same_as_settings(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text('width = 64\nvisual_stream = "visual_resnet18_map"\n[recipe]\nepochs = 2\n')
    assert read_options(path) == {
        "width": 64, "visual_stream": "visual_resnet18_map", "recipe.epochs": 2
    }  # fmt: skip
    path.write_text("width = [")
    with pytest.raises(ValueError, match=r"small.toml cannot be read as TOML"):
        read_options(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"widht": 64}, "tspm has no option 'widht'. Did you mean width"),
        ({"recipe.learning_rat": 1}, "A recipe has no 'learning_rat'. Did you mean learning_rate"),
        ({"stages.grounding.epochs": 1}, "tspm has no stage 'grounding'. There are none"),
        ({"recepie.epochs": 1}, "nothing 'recepie' to set. Did you mean recipe"),
        ({"width": "wide"}, "width takes a whole number, not 'wide'"),
        ({"width": 6.5}, "width takes a whole number, not 6.5"),
        ({"width": True}, "width takes a whole number, not True"),
        ({"recipe.learning_rate": "nan"}, "recipe.learning_rate takes a number, not 'nan'"),
        ({"compat": "release"}, "compat is one of paper, released, not 'release'.*released"),
        ({"recipe.schedule": "stepp"}, "recipe.schedule is one of .*Did you mean step"),
        ({"recipe.betas": "0.9"}, "recipe.betas takes 2 values with commas"),
        ({"audio_stream": 7}, "audio_stream takes a text, not 7"),
        ({"recipe.epochs": 0}, "at least one epoch"),
        ({"recipe": 3}, "tspm has no option 'recipe'"),
        ({"recipe.max_questions_per_clip": 2, "recipe.batch_questions": 8}, "give one of them"),
    ],
)
def test_what_cannot_be_set_is_refused_in_one_line(change, told):
    with pytest.raises(ValueError, match=told) as caught:
        plan(load_method("tspm"), "bandstand", "default", change)
    assert len(str(caught.value).splitlines()) == 1


def test_settings_are_name_and_value():
    with pytest.raises(ValueError, match=r"NAME=VALUE.*got 'width'"):
        assignments(["width"])
    with pytest.raises(ValueError, match=r"recipe.epochs is set twice"):
        flat({"recipe.epochs": 1, "recipe": {"epochs": 2}})


def test_a_stream_of_another_width_is_refused_with_what_to_say():
    options = plan(load_method("tspm"), changes={"audio_stream": "audio_vggish"}).options
    shapes = {"audio_vggish": (128,), "visual_effnet": (1280, 7, 7), "text_minilm": (384,)}
    with pytest.raises(ValueError, match=r"rows are 128, but audio_width is 1545.*audio_width=128"):
        check_widths(options, shapes)
    check_widths(plan(load_method("tspm")).options, shapes)


OWN = '''
"""A method of one's own."""
from __future__ import annotations
from dataclasses import dataclass
from musicavqa.methods.card import Card, Recipe
CARD = Card(title="Own", year=2026, venue="none", family="own")
@dataclass(frozen=True)
class Options:
    width: int | None = None
    """How wide."""
    names: tuple[str, ...] = ("a",)
class Model: ...
RECIPES = {"default": Recipe(epochs=9)}
'''


def test_a_file_of_ones_own_takes_settings_too(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    method = load_method(tmp_path / "own.py")
    changes = {"width": "3", "names": "b,c", "recipe.epochs": "2"}
    found = plan(method, "bandstand", "default", changes)
    assert found.options == method.module.Options(3, ("b", "c"))
    assert found.recipe == Recipe(epochs=2)
    assert option_help(method.module.Options) == {"width": "How wide."}


@pytest.mark.parametrize("name", list_methods())
def test_a_method_tells_its_options_recipes_and_what_is_published(name):
    about = about_method(name)
    method = load_method(name)
    assert set(about["options"]) == {f.name for f in dataclasses.fields(method.module.Options)}
    assert (about["published"] is not None) == ("published" in about["recipes"])
    assert about["recipes"]["default"]["streams"] == list(method.streams())


def test_a_recipe_in_one_line():
    line = recipe_line(Recipe(epochs=5, accumulate=2, precision="bfloat16", patience=3))
    assert line == (
        "batches of 16 clips with all their questions x 2, adamw with betas 0.9 and 0.999, rate "
        "0.0001 falling by a cosine, at most 5 epochs, fewer after 3 without a better one, "
        "bfloat16, of equal epochs the first, seed 0"
    )


def test_the_command_line_shows_and_refuses(command_line):
    code, out, _ = command_line("methods", "show", "tspm")
    assert code == 0
    for told in ("visual_tome14", "published: batches of 64 questions", "GeWu-Lab/TSPM", "76.79"):
        assert told in out
    code, _, err = command_line("methods", "show", "tsmp")
    assert (code, "Did you mean tspm" in err) == (1, True)
    code, out, _ = command_line("methods", "list")
    assert code == 0
    assert len(out.strip().splitlines()) >= len(list_methods())


def test_the_command_line_refuses_what_it_cannot_set(command_line):
    code, _, err = command_line("train", "tspm", "--set", "widht=64")
    assert (code, "Did you mean width" in err) == (1, True)
    code, _, err = command_line("train", "tspm", "--set", "bandstand", "--set", "music_avqa")
    assert (code, "names 2 data sets" in err) == (1, True)
    code, _, err = command_line("train", "tspm", "--options", str(Path("nowhere.toml")))
    assert (code, "nowhere.toml" in err) == (1, True)
