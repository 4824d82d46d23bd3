"""docs/reproduce.md: its commands, from a folder of features in the official layout to a score."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from datasets.official_rows import official_row, write
from musicavqa.features.exchange.layouts import LAYOUTS
from musicavqa.methods.card import Recipe
from musicavqa.methods.registry import load_checkpoint

PAGE = (Path(__file__).parents[1] / "docs" / "reproduce.md").read_text(encoding="utf-8")
N_ROWS = 60
SMALL = {
    "tspm": {"width": 16, "top_k": 3},
    "qa_tiger": {"width": 16},
    "avst": {"width": 512, "stages.grounding.epochs": 1},
}
WITHOUT_CLIP = {
    "tspm": {
        "question_text": "text_minilm", "prompt_text": "text_minilm_prompt", "text_width": 384
    },
    "qa_tiger": {"question_text": "text_minilm", "words_text": "text_minilm_words",
                 "text_width": 384},
    "avst": {},
}  # fmt: skip
"""CLIP's text tower is not here; everything else is as published."""
SPLITS = {"train": range(0, 3), "val": range(3, 4), "test": range(4, 6)}


def commands(method):
    """The commands of a method's part of the page, without those that need weights or videos."""
    part = re.search(rf"^## {method}\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)[1]
    blocks = re.findall(r"^```\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [
        shlex.split(line)[1:] for line in lines if "doctor" not in line and "extract" not in line
    ]


def make_world(folder, layout):
    """clones/ with a few questions about six clips, downloads/ with their features."""
    for split, videos in SPLITS.items():
        rows = [
            official_row((5 * v + n) % 33 + 1, 7 * v + n, f"{v:08d}")
            for v in videos
            for n in range(4)
        ]
        write(folder / f"clones/MUSIC-AVQA/data/json_update/avqa-{split}.json", rows)
    rng = np.random.default_rng(0)
    for part in LAYOUTS[layout].parts:
        place = folder / "downloads" / part.folder
        place.mkdir(parents=True)
        for video in range(6):
            rows = rng.normal(size=(N_ROWS, *part.shape)).astype(np.float32)
            np.save(place / f"{video:08d}.npy", rows)


def settings(method, more):
    return [text for name, value in more.items() for text in ("--set", f"{name}={value}")]


@pytest.mark.parametrize(
    "method",
    ["tspm", *(pytest.param(name, marks=pytest.mark.slow) for name in ("qa_tiger", "avst"))],
)
def test_published_features_become_a_score(command_line, tmp_path, monkeypatch, method):
    monkeypatch.chdir(tmp_path)
    make_world(tmp_path, method)
    title = {"tspm": "TSPM", "avst": "AVST", "qa_tiger": "QA-TIGER"}[method]
    lines = commands(title)
    assert [line[0] for line in lines].count("train") == 1
    for line in lines[: [line[0] for line in lines].index("train")]:
        code, out, err = command_line(*line)
        assert (code, "6 clips imported" in out) == (0, True), err
    train = next(line for line in lines if line[0] == "train")
    changes = {**SMALL[method], **WITHOUT_CLIP[method], "recipe.epochs": 1}
    code, out, err = command_line(*train, *settings(method, changes))
    assert code == 0, err
    run = Path(out.strip())
    about = json.loads((run / "run.json").read_text())
    published = LAYOUTS[method]
    assert set(about["streams"]) == {part.stream for part in published.parts}
    assert about["options"]["compat"] == "released"
    assert about["recipe"]["batch_questions"] == (32 if method == "qa_tiger" else 64)
    answering = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    assert answering["questions"] == 12  # every one of them, once
    for line in lines[lines.index(train) + 1 :] or (["predict", "RUN"], ["evaluate", "RUN"]):
        known = [str(run) if "RUN" in word else word for word in line]
        known += [] if "--data" in known else ["--data", "clones"]
        code, out, err = command_line(*known, *(["--json"] if line[0] == "evaluate" else []))
        assert code == 0, err
    assert json.loads(out)["groups"]["overall"]["asked"] == 8
    assert Recipe(**{**about["recipe"], "betas": tuple(about["recipe"]["betas"])}).epochs == 1
    assert load_checkpoint(run).model.options.width == SMALL[method]["width"]


def test_a_text_tower_that_is_missing_is_named(command_line, tmp_path, monkeypatch):
    from musicavqa.features.encoders.doctor import doctor

    if doctor(["clip_l14"])[0]["present"]:
        pytest.skip("CLIP is here")
    monkeypatch.chdir(tmp_path)
    make_world(tmp_path, "tspm")
    *imports, train = [line for line in commands("TSPM") if line[0] in ("features", "train")]
    for line in imports:
        command_line(*line)
    code, _, err = command_line(*train, "--set", "width=16")
    assert (code, "clip_l14" in err) == (1, True)
    assert len(err.strip().splitlines()) == 1


def test_the_page_names_the_settings_that_there_are(tmp_path):
    from musicavqa.methods.recipes import assignments, plan, read_options
    from musicavqa.methods.registry import load_method

    (tmp_path / "small.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    found = plan(
        load_method("tspm"),
        changes=read_options(tmp_path / "small.toml") | {"recipe.max_questions_per_clip": None},
    )
    assert (found.options.width, found.recipe.accumulate) == (256, 2)
    for text in re.findall(r"--set ([\w.]+=[\w.-]+)", PAGE):
        plan(load_method("tspm"), "music_avqa", "published", assignments([text]))


def test_published_streams_are_planned(command_line, monkeypatch):
    from musicavqa.workflow import streams_read

    assert streams_read("tspm", "published") == (
        "audio_vggish",
        "visual_clip_l14_336",
        "visual_tome14",
    )
    assert streams_read("tspm") == ("audio_yamnet", "visual_effnet")
    code, _, err = command_line("features", "extract", "music_avqa", "--recipe", "published")
    assert (code, "name it with --method" in err) == (1, True)
