"""What every method must do, whichever it is: small sizes, synthetic streams, CPU."""

import dataclasses
import inspect

import pytest
import torch

from fixtures import (
    SHAPES,
    TEXTS,
    make_batch,
    make_clips,
    make_questions,
    make_streams,
    make_texts,
    small_options,
)
from musicavqa.features.encoders import load_spec
from musicavqa.methods.layers.templates import TemplateReader
from musicavqa.methods.registry import list_methods, load_checkpoint, load_method, save_checkpoint
from musicavqa.training.batches import Collation, make_batches
from musicavqa.training.loop import loss_parts

METHODS = list_methods()
LEARNING = [name for name in METHODS if load_method(name).card.trained == "gradient"]
FREE = [name for name in LEARNING if load_method(name).card.family != "perception and rules"]
"""They may answer anything; one that answers by rule learns no answers that no scene allows, and
its senses learn from scenes (test_bandleader_learning.py)."""
BLIND_TO = {"audio": ("audio_", "music_"), "visual": ("visual_",)}


def build(name, seed=0, training=False):
    method = load_method(name)
    torch.manual_seed(seed)
    options = small_options(method)
    model = method.build(options).train(training)
    if method.card.trained == "counting":
        model.fit(make_questions(make_clips(20)))
    return method, model, method.streams(options)


def run(model, batch):
    with torch.no_grad():
        return model(batch)


@pytest.mark.parametrize("name", FREE)
def test_it_overfits_a_small_batch(name):
    method, model, streams = build(name, training=True)
    batch = make_batch(streams, negatives=method.negatives(model.options))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(120):
        output = model(batch)
        if bool((output.logits.argmax(1) == batch.answers).all()):
            break
        optimizer.zero_grad()
        sum(loss_parts(output, batch).values()).backward()
        optimizer.step()
    assert (output.logits.argmax(1) == batch.answers).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_clip_alone_gets_the_answers_it_gets_in_a_batch(name):
    method, model, streams = build(name)
    clips = make_clips(4)
    questions = make_questions(clips)
    stores = make_streams(clips, streams, lengths=[4, 2, 3, 1])
    collation = Collation(texts=make_texts(questions, method.texts(model.options)))

    def answers(size):
        batches = make_batches(clips, questions, stores, size, None, collation)
        return torch.cat([run(model, batch).logits for batch in batches])

    together, alone = answers(4), answers(1)
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_seconds_that_a_clip_does_not_have_do_not_matter(name):
    _, model, streams = build(name)
    batch = make_batch(streams, lengths=[4, 2, 3, 1])
    before = run(model, batch)
    for stream in batch.streams.values():
        stream[~batch.seconds] = 50.0
    after = run(model, batch)
    torch.testing.assert_close(after.logits, before.logits, atol=1e-5, rtol=1e-4)
    for kind in before.evidence:
        torch.testing.assert_close(after.evidence[kind], before.evidence[kind])
    if "time" in before.evidence:
        assert (before.evidence["time"][~batch.seconds[batch.clip_of]] == 0).all()


@pytest.mark.parametrize("n_seconds", [1, 2, 5, 13])
@pytest.mark.parametrize("name", METHODS)
def test_any_length_gives_42_finite_logits_and_evidence_that_sums_to_one(name, n_seconds):
    _, model, streams = build(name)
    batch = make_batch(streams, n_clips=2, n_seconds=n_seconds)
    output = run(model, batch)
    assert output.logits.shape == (6, 42)
    assert output.logits.isfinite().all()
    for kind in {"time", "space"} & set(output.evidence):
        shares = output.evidence[kind]
        assert shares.ndim == 2
        assert (shares >= 0).all()
        torch.testing.assert_close(shares.sum(-1), torch.ones(6), atol=1e-5, rtol=0)
    if streams and "time" in output.evidence:
        assert output.evidence["time"].shape == (6, n_seconds)


@pytest.mark.parametrize("sense", ["audio", "visual"])
@pytest.mark.parametrize("name", METHODS)
def test_a_muted_run_is_finite_and_differs_only_where_that_sense_is_read(name, sense):
    _, model, streams = build(name)
    muted = run(model, make_batch(streams, mute=(sense,))).logits
    full = run(model, make_batch(streams)).logits
    assert muted.isfinite().all()
    reads = any(stream.startswith(BLIND_TO[sense]) for stream in streams)
    assert torch.equal(muted, full) != reads


@pytest.mark.parametrize("name", FREE)
def test_losses_are_finite_scalars_and_every_parameter_gets_a_gradient(name):
    method, model, streams = build(name, training=True)
    batch = make_batch(streams, negatives=method.negatives(model.options))
    losses = loss_parts(model(batch), batch)
    assert all(loss.ndim == 0 and loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    learning = {k: p for k, p in model.named_parameters() if p.requires_grad}
    without = {k.split(".")[0] for k, p in learning.items() if p.grad is None}
    # heads for the truth of rendered clips, of which there is none; what only stages train
    assert without <= {"truth", "pretraining"}


@pytest.mark.parametrize("name", METHODS)
def test_saved_and_loaded_weights_answer_alike(name, tmp_path):
    method, model, streams = build(name)
    save_checkpoint(tmp_path / "checkpoint.safetensors", method, model, temperature=1.5)
    loaded = load_checkpoint(tmp_path)
    batch = make_batch(streams)
    assert torch.equal(run(loaded.model, batch).logits, run(model, batch).logits)
    assert loaded.temperature == 1.5
    assert loaded.streams == streams
    assert loaded.model.options == model.options


@pytest.mark.parametrize("name", METHODS)
def test_equal_seeds_give_equal_models(name):
    first, second = (build(name, seed=3)[1].state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", METHODS)
def test_encoders_of_ours_make_what_it_reads(name):
    """By default and as published; the fixtures have the encoders' shapes."""
    method = load_method(name)
    for options in {method.options(), getattr(method.module, "PUBLISHED", method.options())}:
        for stream in (*method.streams(options), *method.texts(options)):
            shape = {**SHAPES, **TEXTS}[stream]
            assert load_spec(stream.removesuffix("_prompt")).shape == shape, stream


@pytest.mark.parametrize("name", METHODS)
def test_a_card_asks_for_truth_where_its_model_reads_it(name):
    source = inspect.getsource(load_method(name).module)
    assert load_method(name).card.truth == ("batch.truth" in source)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_file_is_complete(name):
    method = load_method(name)
    assert method.module.__doc__
    assert method.card.title
    assert dataclasses.is_dataclass(method.options())
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.options().anything = 1


def test_an_unknown_method_or_option_is_an_error_with_near_matches():
    with pytest.raises(ValueError, match="Did you mean question_gru"):
        load_method("question_gr")
    with pytest.raises(ValueError, match="Did you mean width"):
        load_method("question_gru").options({"widht": 3})


OWN = '''"""Always the same answer."""
from dataclasses import dataclass
import torch
from musicavqa.methods.card import Card, Recipe
from musicavqa.records import Output
CARD = Card(title="Constant", year=2026, venue="test", family="prior")
@dataclass(frozen=True)
class Options:
    answer: int = 4
class Model(torch.nn.Module):
    def __init__(self, options):
        super().__init__()
        self.options = options
    def forward(self, batch):
        logits = torch.zeros(len(batch.keys), 42)
        logits[:, self.options.answer] = 1
        return Output(logits)
RECIPES = {"default": Recipe()}
'''


@pytest.fixture
def own(tmp_path):
    """A method file of one's own that leaves a mark when it runs, and a checkpoint of it."""
    path = tmp_path / "constant.py"
    mark = f"{OWN}\nfrom pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n"
    path.write_text(mark)
    method = load_method(path)
    model = method.build(method.options({"answer": 7}))
    save_checkpoint(tmp_path / "checkpoint.safetensors", method, model)
    (tmp_path / "ran").unlink()
    return path


def test_a_path_to_an_own_file_works_like_a_name(own):
    loaded = load_checkpoint(own.parent, own)
    assert loaded.model.options.answer == 7
    assert (run(loaded.model, make_batch(())).logits.argmax(1) == 7).all()


def test_a_checkpoint_keeps_the_name_of_its_method_file_and_not_its_place(own):
    content = (own.parent / "checkpoint.safetensors").read_bytes()
    assert b"constant.py" in content
    assert str(own.parent).encode() not in content


def test_a_checkpoint_runs_no_file_that_is_not_named(own, monkeypatch):
    monkeypatch.chdir(own.parent)  # the file lies where its name leads
    with pytest.raises(ValueError, match=r"runs only where you name it: --method-file constant.py"):
        load_checkpoint(own.parent)
    assert not (own.parent / "ran").exists()


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    method = load_method("question_gru")
    model = method.build(method.options({}))
    with torch.no_grad():
        next(model.parameters())[0] = float("nan")
    save_checkpoint(tmp_path / "checkpoint.safetensors", method, model)
    with pytest.raises(ValueError, match="is damaged: what is no number stands in"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("width", [65, 10**7])
def test_sizes_that_are_not_those_of_the_weights_are_refused_and_take_no_memory(tmp_path, width):
    method = load_method("question_gru")
    model = method.build(method.options({}))
    model.options = method.options({"width": width})
    save_checkpoint(tmp_path / "checkpoint.safetensors", method, model)
    with pytest.raises(ValueError, match="is damaged: its options and its tensors differ in"):
        load_checkpoint(tmp_path)


def test_weights_of_sizes_of_ones_own_are_loaded(tmp_path):
    method = load_method("question_gru")
    model = method.build(method.options({"width": 8}))
    save_checkpoint(tmp_path / "checkpoint.safetensors", method, model)
    loaded = load_checkpoint(tmp_path).model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("changed", ["constant.py", "beside_it.py"])
def test_a_method_file_with_another_content_does_not_run(own, changed):
    (own.parent / "beside_it.py").write_text("SIZE = 1\n")
    own.write_text("import beside_it\n" + own.read_text())
    method = load_method(own)
    save_checkpoint(own.parent / "checkpoint.safetensors", method, method.build())
    (own.parent / "ran").unlink()
    with (own.parent / changed).open("a") as file:
        file.write("# changed\n")
    with pytest.raises(ValueError, match=r"is not what .* was trained with"):
        load_checkpoint(own.parent, own)
    assert not (own.parent / "ran").exists()


@pytest.mark.parametrize(
    "name", ["evil.py", "./evil.py", "/EVIL", "musicavqa.cli", "os", "", "card"]
)
def test_what_a_checkpoint_names_is_an_installed_method_or_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n" + OWN)
    method = load_method("template_prior")
    named = dataclasses.replace(method, name=name.replace("/EVIL", str(tmp_path / "evil.py")))
    save_checkpoint(tmp_path / "checkpoint.safetensors", named, method.build())
    with pytest.raises(
        ValueError, match="which is not installed; a checkpoint runs no file"
    ) as told:
        load_checkpoint(tmp_path)
    assert len(str(told.value).splitlines()) == 1
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ValueError, match="not with a file"):
        load_checkpoint(tmp_path, tmp_path / "evil.py")
    assert not (tmp_path / "ran").exists()


def test_ask_and_predict_refuse_a_checkpoint_that_names_a_file(own, small_video, command_line):
    told = []
    for arguments in (
        ("ask", small_video, "Which instrument plays first?", "--checkpoint", own.parent),
        ("predict", own.parent),
        ("robustness", own.parent, "--data", own.parent),
    ):
        code, out, err = command_line(*arguments)
        assert (code, out) == (1, "")
        told.append(err)
    assert "--method-file constant.py" in told[0]
    assert "--method-file constant.py" in told[1]
    assert not (own.parent / "ran").exists()


def test_an_incomplete_file_says_what_it_lacks(tmp_path):
    (tmp_path / "half.py").write_text(OWN.replace("RECIPES", "RECIPE"))
    with pytest.raises(ValueError, match="lacks RECIPES"):
        load_method(tmp_path / "half.py")


def test_the_template_reader_knows_every_template():
    from musicavqa.training.batches import encode_words

    questions = [q for seed in range(20) for q in make_questions(make_clips(1), 33, seed)]
    words = torch.from_numpy(encode_words([question.text for question in questions]))
    found = TemplateReader()(words)
    assert found.tolist() == [question.template - 1 for question in questions]
    strange = torch.from_numpy(encode_words(["Is the trumpet louder than the moon?", "Why?"]))
    assert TemplateReader()(strange).tolist() == [-1, -1]
    assert TemplateReader()(words[:, :6][found == 2]).tolist() == [2] * int((found == 2).sum())
