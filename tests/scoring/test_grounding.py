"""Evidence against the truth of scenes: what is meant, and that right evidence scores right."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from fixtures import SHAPES, TEXTS, small_options
from musicavqa.bandstand.exports import make_questions, write_questions
from musicavqa.bandstand.meant import Meant, cells, meant, seconds
from musicavqa.bandstand.scene import sample_scene
from musicavqa.features.encoders import load_spec
from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.store import IMPORTED, Description, Writer
from musicavqa.files import write_json
from musicavqa.methods.registry import list_methods, load_method, save_checkpoint
from musicavqa.metrics.grounding import MEASURES, even, grounding, hill
from musicavqa.records import Question
from musicavqa.rules.meant import SINGLED_OUT
from musicavqa.scoring import grounding as scoring
from musicavqa.scoring.grounding import grounding_of

N_CLIPS = 4


def question(template, slots, answer, cell):
    return Question("bandstand/test/0", "c", "", template, slots, cell, answer, "rendered")


def player(instrument, x, start, end, visible=True, level=0.0):
    notes = [[start, end, 60, 90]] if end > start else []
    return {
        "instrument": instrument, "visible": visible, "x": x, "depth": 0.0, "behaviour": "plays",
        "person": {"height": 1.0}, "notes": notes, "gestures": notes, "level_db": level, "pan": 0.0,
    }  # fmt: skip


TRIO = {
    "duration_s": 10.0, "place": "indoor", "dubbed": False, "seed": 1,
    "voiceover": {"start_s": 2.0, "end_s": 4.0},
    "players": [
        player("violin", 0.2, 0.0, 4.0), player("cello", 0.5, 3.0, 9.0, level=-8.0),
        player("drum", 0.8, 0.0, 0.0),
    ],
}  # fmt: skip
BOX = {"violin": 0.2, "cello": 0.5, "drum": 0.8}


@pytest.mark.parametrize(
    ("asked", "time", "place"),
    [
        (question(3, ("cello",), "yes", "A-Counting"), [(3, 9)], []),
        (question(3, ("tuba",), "no", "A-Counting"), [], []),
        (question(6, ("cello", "violin"), "yes", "A-Comparative"), [(0, 9)], []),
        (question(2, (), "two", "A-Counting"), [], []),
        (question(8, ("drum",), "one", "V-Counting"), [], ["drum"]),
        (question(11, ("left", "cello"), "violin", "V-Location"), [], ["violin", "cello"]),
        (question(12, ("rightest",), "drum", "V-Location"), [], ["drum"]),
        (question(16, (), "yes", "AV-Existential"), [(2, 4)], []),
        (question(15, ("violin",), "no", "AV-Existential"), [(0, 4)], ["violin"]),
        (question(18, (), "two", "AV-Counting"), [], ["violin", "cello"]),
        (question(19, (), "one", "AV-Counting"), [], ["drum"]),
        (question(22, ("first", "right"), "no", "AV-Location"), [(0, 4)], ["violin", "drum"]),
        (question(23, ("right", "first"), "cello", "AV-Location"), [(0, 9)], ["violin", "cello"]),
        (question(24, ("loudest",), "left", "AV-Location"), [(0, 4)], ["violin"]),
        (question(26, ("violin", "left", "cello", "middle"), "yes", "AV-Comparative"),
         [(0, 9)], ["violin", "cello"]),
        (question(28, ("left", "right"), "yes", "AV-Comparative"), [(0, 4)], ["violin", "drum"]),
        (question(30, ("second",), "cello", "AV-Temporal"), [(3, 9)], ["cello"]),
        (question(31, ("last",), "middle", "AV-Temporal"), [(3, 9)], ["cello"]),
        (question(33, ("after", "violin"), "cello", "AV-Temporal"), [(0, 9)], ["violin", "cello"]),
    ],
)  # fmt: skip
def test_time_and_place_are_those_of_whom_the_question_means(asked, time, place):
    found = meant(TRIO, asked)
    assert list(found.intervals) == time
    middles = sorted((left + right) / 2 for left, _, right, _ in found.boxes)
    assert middles == pytest.approx(sorted(BOX[name] for name in place))


def test_every_template_that_singles_out_is_one_that_uses_the_eye():
    assert set(SINGLED_OUT) <= set(range(7, 34))


def test_seconds_and_cells_are_shares():
    found = Meant(((0.5, 2.0), (7.0, 7.25)), ((0.0, 0.0, 0.5, 0.5),))
    np.testing.assert_allclose(seconds(found, 8), [0.5, 1, 0, 0, 0, 0, 0, 0.25])
    np.testing.assert_allclose(seconds(found, 2, step_s=6), [0.5, 0])
    quarter = cells(found, 4, 4).reshape(4, 4)
    assert quarter[:2, :2].min() == 1
    assert quarter.sum() == 4


def test_measures_by_hand():
    target = np.array([1.0, 1.0, 0.0, 0.25])
    assert grounding(np.array([0.6, 0.1, 0.3, 0.0]), target) == pytest.approx((1, 0.7, 1 / 3))
    assert grounding(even(4), target) == pytest.approx((0.5, 0.5625, 0.5))
    assert grounding(np.array([0, 0, 0, 1.0]), target) == pytest.approx((0, 0.25, 0))
    middle = hill(5, 5).reshape(5, 5)
    assert middle.argmax() == 12
    assert middle.sum() == pytest.approx(1)
    for bad in (np.zeros(4), np.array([-1.0, 1, 1, 1]), np.ones(3)):
        with pytest.raises(ValueError, match="Evidence"):
            grounding(bad, target)
    with pytest.raises(ValueError, match="no place"):
        grounding(even(4), np.zeros(4))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Rendered scenes without films, and noise in every stream that a method reads."""
    root = tmp_path_factory.mktemp("world")
    folder = root / "data" / "test"
    (folder / "clips").mkdir(parents=True)
    scenes = [sample_scene("test", index, duration_s=6.0) for index in range(N_CLIPS)]
    for scene in scenes:
        (folder / "clips" / f"{scene['id']}.mp4").touch()
    (folder / "scenes.jsonl").write_text("".join(json.dumps(scene) + "\n" for scene in scenes))
    asked = make_questions(scenes, "test", balanced=False)
    write_questions(folder / "questions.jsonl", asked)
    rng = np.random.default_rng(0)
    for name in sorted({s for method in list_methods() for s in load_method(method).streams()}):
        try:
            spec = load_spec(name)
            about = Description(name, spec.hash8, SHAPES[name], every_s=spec.every_s)
        except (ValueError, WeightError):  # of others, or whose weights are not here
            about = Description(name, IMPORTED, SHAPES[name], imported_from="noise")
        writer = Writer(root / "features" / "bandstand" / about.folder_name, about)
        for scene in scenes:
            n_rows = -(-6 // about.every_s)
            writer.add(scene["id"], rng.normal(size=(n_rows, *SHAPES[name])).astype(np.float16))
        writer.close()
    return root, scenes, asked


@pytest.fixture
def noise_texts(monkeypatch):
    """Text streams without their weights."""

    def embed(names, questions):
        rng = np.random.default_rng(0)
        texts = sorted({question.text for question in questions})
        return {name: {text: rng.normal(size=TEXTS[name]) for text in texts} for name in names}

    monkeypatch.setattr(scoring, "embed_texts", embed)


def run_of(root, name, seed=0):
    """A run folder of this method with random weights."""
    method = load_method(name)
    torch.manual_seed(seed)
    model = method.build(small_options(method)).eval()
    folder = root / f"{name}-{seed}"
    folder.mkdir(exist_ok=True)
    save_checkpoint(folder / "checkpoint.safetensors", method, model)
    about = {"method": name, "options": {}, "recipe": {"seed": seed},
             "data": {"name": "bandstand", "mute": []}}  # fmt: skip
    write_json(folder / "run.json", about)
    return folder


@pytest.mark.parametrize("name", list_methods())
def test_every_method_is_scored_or_says_why_not(world, noise_texts, tmp_path, name):
    root, _, _ = world
    found = grounding_of([run_of(tmp_path, name)], root / "data", root / "features")
    assert [item.axis for item in found] == ["time", "place"]
    for item in found:
        assert bool(item.measures) != bool(item.why_not)
        for measure in item.measures.values():
            assert 0 <= measure.value.low <= measure.value.mean <= measure.value.high <= 100
            assert 0 < measure.chance <= 100  # all of it where a tiny network has one place


class Told(torch.nn.Module):
    """Evidence that is the truth itself, or even."""

    def __init__(self, model, scenes, asked, right):
        super().__init__()
        self.model, self.right, self.options = model, right, model.options
        self.scenes = {scene["id"]: scene for scene in scenes}
        self.asked = {question.key: question for question in asked}

    def forward(self, batch):
        output = self.model(batch)
        rows = [meant(self.scenes[self.asked[key].clip], self.asked[key]) for key in batch.keys]
        time = np.stack([seconds(row, 6) for row in rows])
        space = np.stack([cells(row, 7, 7) for row in rows])
        for name, shares in (("time", time), ("space", space)):
            even_row = ~(shares >= 0.5).any(1) | (not self.right)
            shares = np.where(even_row[:, None], 1.0, shares >= 0.5)
            output.evidence[name] = torch.tensor(shares / shares.sum(1, keepdims=True))
        return output


@pytest.mark.parametrize("right", [True, False])
def test_true_evidence_scores_all_and_even_evidence_scores_chance(
    world, noise_texts, tmp_path, monkeypatch, right
):

    root, scenes, asked = world
    load = scoring.load_checkpoint

    def told(run, method_file=None):
        checkpoint = load(run, method_file)
        return replace(checkpoint, model=Told(checkpoint.model, scenes, asked, right))

    monkeypatch.setattr(scoring, "load_checkpoint", told)
    runs = [run_of(tmp_path, "question_gru", seed) for seed in (0, 1)]
    for item in grounding_of(runs, root / "data", root / "features"):
        assert (item.seeds, item.method) == (2, "question_gru")
        assert item.n_questions > 10
        for name in MEASURES:
            measure = item.measures[name]
            if right and name != "inside":
                assert measure.value.mean == pytest.approx(100)
            if not right:
                assert measure.value.mean == pytest.approx(measure.chance)
                assert measure.above_chance.mean == pytest.approx(0)
        if right:
            assert item.measures["inside"].value.mean > 80
            assert item.measures["pointing"].above_chance.mean > 20


def test_the_command_prints_a_table(world, noise_texts, tmp_path, command_line):
    root, _, _ = world
    runs = [run_of(tmp_path, name) for name in ("avst", "question_gru")]
    where = ("--data", root / "data", "--features", root / "features")
    code, out, err = command_line("grounding", *runs, *where)
    assert code == 0, err
    assert "question_gru, time: not scored, it shows none." in out
    assert [line.split()[:3] for line in out.splitlines()[1:4]] == [
        ["avst", "time", name] for name in MEASURES
    ]
    code, out, _ = command_line("grounding", *runs, *where, "--json")
    assert {item["method"] for item in json.loads(out)} == {"avst", "question_gru"}
    code, _, err = command_line("grounding", tmp_path / "gone", *where)
    assert (code, err.count("\n")) == (1, 1)
