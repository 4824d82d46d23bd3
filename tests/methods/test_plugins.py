"""Plug-ins of training: what each changes, with whom it goes, and that a run may be killed."""

import dataclasses
import json

import pytest
import torch

from fixtures import make_batch, make_clips, make_questions, make_streams, small_options
from musicavqa.methods.card import Recipe
from musicavqa.methods.layers import causal_regularization
from musicavqa.methods.layers.sense_balance import dominance
from musicavqa.methods.plugins.contract import connect
from musicavqa.methods.registry import list_plugins, load_checkpoint, load_method, load_plugin
from musicavqa.training import learner
from musicavqa.training.loop import Data, loss_parts, train
from musicavqa.training.runs import run_folder
from musicavqa.training.settings import settings_of

PLUGINS = list_plugins()
FEATURED = ("avst", "avst_baseline", "gru", "att_blstm", "mcan", "tspm")
TOO_TANGLED = {("ogm", "mcan"), ("ogm", "tspm")}
"""Methods in which a sense has no parameter of its own."""
FITS = [
    (plugin, method)
    for plugin in PLUGINS
    for method in ("avst_baseline", "gru", "mcan")
    if (plugin, method) not in TOO_TANGLED
]
RECIPE = Recipe(epochs=3, batch_clips=3, learning_rate=1e-3, max_questions_per_clip=2)


def options(plugin, **changes):
    """Default options, at work from the first epoch on and in every step."""
    start = {"opm": {"warmup_epochs": 0, "executed": 1.0, "compat": "released"}}
    start |= {"ogm": {"warmup_epochs": 0}}
    return load_plugin(plugin).Options(**{**start.get(plugin, {}), **changes})


def build(method, *plugins, **changes):
    """A small model, a batch and a chain of plug-ins."""
    found = load_method(method)
    torch.manual_seed(0)
    model = found.build(small_options(found))
    batch = make_batch(found.streams(model.options), lengths=[4, 2, 3, 4])
    chosen = {name: (load_plugin(name), options(name, **changes)) for name in plugins}
    chain = connect(chosen, method, model, batch)
    return model.train(), batch, chain.train()


def step(model, batch, chain):
    """Losses and gradients of one step, as in the loop."""
    torch.manual_seed(1)
    model.zero_grad()
    batch, output = chain.change(model, batch, model(batch))
    losses = loss_parts(output, batch) | chain.losses(model, batch, output)
    sum(losses.values()).backward()
    chain.after_backward(model, batch, output)
    gradients = {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}
    return losses, gradients


@pytest.mark.parametrize("name", FEATURED)
def test_a_method_answers_from_the_features_that_it_tells(name):
    model, batch, _ = build(name)
    output = model.eval()(batch)
    assert set(output.features) == {"question", "audio", "visual"}
    assert {len(vector) for vector in output.features.values()} == {len(batch.keys)}
    torch.testing.assert_close(model.answer_from(output.features), output.logits)


@pytest.mark.parametrize(("plugin", "method"), FITS)
def test_each_plugin_changes_what_a_method_learns(plugin, method):
    _, before = step(*build(method))
    losses, after = step(*build(method, plugin))
    assert all(loss.isfinite() for loss in losses.values())
    assert all(gradient.isfinite().all() for gradient in after.values())
    assert any(not torch.equal(before[key], after[key]) for key in before)


def test_plugins_combine_and_say_whose_loss_is_whose():
    model, batch, chain = build("avst_baseline")
    chosen = {name: (load_plugin(name), options(name)) for name in reversed(PLUGINS)}
    chain = connect(chosen, "avst_baseline", model, batch)
    assert list(chain) == ["coca", "mccd", "ogm", "opm"]
    losses, _ = step(model.train(), batch, chain.train())
    assert set(losses) >= {"answer", "coca.counterfactual", "mccd.push", "mccd.cycle"}
    assert all(loss.isfinite() for loss in losses.values())


def test_ogm_slows_the_parameters_of_the_stronger_sense_and_no_others():
    _, plain = step(*build("avst_baseline"))
    model, batch, chain = build("avst_baseline", "ogm", noise=0.0)
    _, slowed = step(model, batch, chain)
    ratios = dominance(model, model(batch).features, batch.answers)
    factors = load_plugin("ogm").slowdown(ratios, chain["ogm"].options)
    owned = zip(chain["ogm"].own.values(), factors, strict=True)
    own = {name: factor for names, factor in owned for name in names}
    assert (factors < 1).sum() == 1
    assert {name.split(".")[0] for name in own} == {
        "audio_in", "audio_out", "when_heard", "visual_in", "when_seen"
    }  # fmt: skip
    for name, gradient in plain.items():
        torch.testing.assert_close(slowed[name], own.get(name, 1.0) * gradient)


def test_noise_of_ogm_is_as_wide_as_the_gradient():
    _, plain = step(*build("avst_baseline", "ogm", noise=0.0))
    _, noisy = step(*build("avst_baseline", "ogm", noise=2.0))
    still, moved = plain["audio_in.weight"], noisy["audio_in.weight"]
    _, original = step(*build("avst_baseline"))
    wide = (moved - still).std() / original["audio_in.weight"].std()
    assert 1.9 < wide < 2.1
    assert torch.equal(plain["question.out.weight"], noisy["question.out.weight"])


def test_opm_drops_only_the_stronger_sense_and_rescales():
    opm = load_plugin("opm")
    features = {"question": torch.ones(2, 5), "audio": torch.ones(2, 3), "visual": torch.ones(2, 1)}
    chance = opm.chances(torch.tensor([2.0, 0.5]), opm.Options())
    torch.testing.assert_close(chance, torch.tensor([0.6904, 0.0]), atol=1e-4, rtol=0)
    kept = torch.tensor([[True, True], [False, True]])
    left = opm.drop(features, kept, chance)
    scale = 1 / (1 - 3 * chance[0] / 4)
    torch.testing.assert_close(left["audio"], torch.tensor([[1.0], [0.0]]).expand(2, 3) * scale)
    torch.testing.assert_close(left["visual"], torch.ones(2, 1) * scale)
    assert left["question"] is features["question"]


def test_opm_of_the_paper_waits_for_the_ratio_of_a_step_before():
    model, batch, chain = build("gru", "opm", compat="paper", base=1.0, swing=0.0)
    output = model(batch)
    _, first = chain.change(model, batch, output)
    torch.testing.assert_close(first.logits, output.logits)
    assert chain["opm"].ratios.max() > 1
    _, second = chain.change(model, batch, output)
    silent = ("audio", "visual")[int(chain["opm"].ratios.argmax())]
    left = {name: 2 * output.features[name] for name in ("audio", "visual")}
    left[silent] = torch.zeros_like(left[silent])
    expected = model.answer_from({**output.features, **left})
    torch.testing.assert_close(second.logits, expected)


def test_coca_weighs_shortcuts_by_certainty_and_spares_what_a_question_needs_not():
    _, batch, chain = build("avst_baseline", "coca")
    plugin = chain["coca"].terms
    guesses = torch.zeros(len(batch.keys), 3, 42)
    guesses[:, 0, 0] = 20.0
    weights = plugin.weights(guesses.requires_grad_(), batch.words)
    assert not weights.requires_grad
    torch.testing.assert_close(weights.sum(1), torch.ones(len(batch.keys)))
    assert (weights[:, 0] >= weights.max(1).values).all()
    cells = {q.key: q.cell for q in make_questions(make_clips(4))}
    allowed = plugin.is_shortcut(batch.words).tolist()
    for key, row in zip(batch.keys, allowed, strict=True):
        kind = cells[key].split("-")[0]
        assert row == {"A": [True, True, False], "V": [True, False, True]}.get(kind, [True] * 3)


def test_coca_without_weight_is_the_plain_method():
    off = {"counterfactual_weight": 0.0, "factual_weight": 0.0}
    losses, after = step(*build("gru", "coca", **off))
    plain, before = step(*build("gru"))
    assert set(losses) == set(plain)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_the_method_coca_is_avst_with_the_plugin():
    model, batch, chain = build("avst", "coca")
    method = load_method("coca").build(small_options(load_method("coca")))
    method.load_state_dict(model.state_dict(), strict=False)
    losses, gradients = step(model, batch, chain)
    nothing = connect({}, "coca", method, batch)
    again, same = step(method.train(), batch, nothing)
    for term in ("counterfactual", "factual"):
        torch.testing.assert_close(again[term], losses[f"coca.{term}"])
    torch.testing.assert_close(same, gradients)


def test_coca_exchanges_with_other_clips_and_pairs_equal_answers():
    for n_clips in (2, 3, 7):
        others = causal_regularization._others(n_clips, torch.device("cpu"))
        assert (others != torch.arange(n_clips)).all()
        assert sorted(others.tolist()) == list(range(n_clips))
    _, batch, _ = build("gru")
    answers = torch.arange(len(batch.keys)) % 2
    rows, partners = causal_regularization._same_answer(dataclasses.replace(batch, answers=answers))
    assert sorted(batch.clip_of[rows].tolist()) == [0, 1, 2, 3]
    assert (answers[rows] == answers[partners]).all()
    assert (batch.clip_of[rows] != batch.clip_of[partners]).all()
    nobody = dataclasses.replace(batch, answers=torch.arange(len(batch.keys)))
    assert len(causal_regularization._same_answer(nobody)[0]) == 0


@pytest.mark.parametrize(
    ("plugin", "method", "told"),
    [
        ("mccd", "hcrn", "mccd does not fit hcrn, which gives no question, audio, visual"),
        ("ogm", "pstp_net", "gives no audio, visual, answer_from"),
        ("ogm", "tspm", "no parameter leads to its audio feature alone"),
        ("coca", "question_gru", "it reads no audio stream"),
    ],
)
def test_a_plugin_that_does_not_fit_says_what_is_missing(plugin, method, told):
    with pytest.raises(ValueError, match=told) as error:
        build(method, plugin)
    assert "\n" not in str(error.value)


def small_data():
    clips = make_clips(6, 3)
    questions = make_questions(clips, 4)
    return Data(
        name="synthetic",
        clips=clips,
        train=[q for q in questions if q.clip != "clip-0"],
        validation=[q for q in questions if q.clip == "clip-0"],
        streams=make_streams(clips, ("audio_yamnet", "visual_effnet")),
    )


def train_small(out, *plugins):
    small = dataclasses.replace(small_options("gru"), width=16, dropout=0.1)
    chosen = {name: options(name) for name in plugins}
    return train("gru", small, RECIPE, small_data(), out, plugins=chosen)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train_small(tmp_path_factory.mktemp("runs"), *PLUGINS)


def test_a_run_tells_its_plugins_and_predicts_without_them(finished):
    about = json.loads((finished / "run.json").read_text())
    assert list(about["plugins"]) == PLUGINS
    assert about["plugins"]["ogm"]["strength"] == 0.8
    losses = json.loads((finished / "log.jsonl").read_text().splitlines()[0])["losses"]
    assert {"answer", "mccd.push", "mccd.cycle", "coca.counterfactual"} <= set(losses)
    plain = load_method("gru").build(load_checkpoint(finished).model.options)
    assert set(load_checkpoint(finished).model.state_dict()) == set(plain.state_dict())


def test_plugins_and_their_options_make_another_run_whatever_their_order(finished, tmp_path):
    data = small_data()
    names = {name: (load_plugin(name), options(name)) for name in PLUGINS}

    def mark(added):
        settings = settings_of(small_options("gru"), RECIPE, {}, data, added)
        return run_folder(tmp_path, data.name, "gru", settings)

    marks = [mark({}), mark({"ogm": names["ogm"]})]
    marks += [mark({"ogm": (names["ogm"][0], options("ogm", strength=0.1))}), mark(names)]
    assert len(set(marks)) == 4
    assert mark(dict(reversed(names.items()))) == mark(names)


@pytest.mark.parametrize("stop", [1, 5])
def test_a_run_with_plugins_that_was_killed_ends_the_same(finished, tmp_path, monkeypatch, stop):
    original, calls = learner.loss_parts, []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(learner, "loss_parts", stops)
        with pytest.raises(KeyboardInterrupt):
            train_small(tmp_path, *PLUGINS)
    one, other = (
        load_checkpoint(run).model.state_dict()
        for run in (finished, train_small(tmp_path, *PLUGINS))
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_an_unknown_plugin_and_a_counting_method_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no plug-in 'ogn'\. Did you mean ogm"):
        load_plugin("ogn")
    with pytest.raises(ValueError, match="template_prior only counts"):
        train("template_prior", None, None, small_data(), tmp_path, plugins={"ogm": None})


def test_an_incomplete_plugin_says_what_it_lacks(tmp_path):
    (tmp_path / "half.py").write_text('"""Nothing."""\n')
    with pytest.raises(ValueError, match="lacks Options, Plugin"):
        load_plugin(tmp_path / "half.py")
