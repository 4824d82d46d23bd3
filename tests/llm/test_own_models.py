"""Our own language models: all of them learn, weigh the 42 answers, speak, hear and see."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from llm.own_models import CANDIDATES, adapter, material, network, request, tokenizer
from musicavqa.llm.contract import ModelError, Opening, put
from musicavqa.llm.layers.speaking import NO_LABEL, Speaking
from musicavqa.llm.models import build_model, card_of, list_models, make_options, model_file
from musicavqa.llm.models.card import TIERS
from musicavqa.llm.opening import open_model
from musicavqa.llm.own import convert_folder, save_model

ALL = list_models()


@pytest.fixture(scope="module", params=ALL)
def asked(request):
    return adapter(request.param)


def teach(model, clips, answers, steps):
    """Weights that give these answers to these clips."""
    requests = [request(clip) for clip in clips]
    optimizer = torch.optim.AdamW(model.network.parameters(), 1e-2, weight_decay=0.0)
    for _ in range(steps):
        loss = model.loss(requests, answers)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.network.parameters(), 1.0)
        optimizer.step()
    return float(loss.detach())


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_it_learns_sixteen_clips_by_heart(name):
    model = adapter(name)
    clips = [material(number) for number in range(16)]
    answers = list(CANDIDATES[:16])
    for _ in range(6):
        teach(model, clips, answers, 30)
        found = [model.score(request(clip)).scores.argmax() for clip in clips]
        if found == list(range(16)):
            break
    assert found == list(range(16))
    assert [model.generate(request(clip)).text for clip in clips] == answers


def test_two_steps_teach_it_something(asked):
    before = asked.network.state_dict()
    before = {key: value.clone() for key, value in before.items()}
    clips, answers = [material(0), material(1)], ["yes", "accordion"]
    torch.manual_seed(1)
    first = float(asked.loss([request(c) for c in clips], answers).detach())
    torch.manual_seed(1)
    assert teach(asked, clips, answers, 5) < 0.8 * first
    asked.network.load_state_dict(before)
    frozen = asked.network.frozen
    assert all(hasattr(asked.network, part) for part in frozen)


def test_all_answers_are_weighed_as_one_by_one(asked):
    reply = put(asked, "score", request(material(0)))
    assert reply.scores.shape == (42,)
    clip, prompt = asked.clip(request(material(0))), asked.prompt(request(material(0)))
    for place in (0, 7, 41):
        words = asked.words(CANDIDATES[place])
        alone = one_by_one(asked.network, clip, prompt, words)
        assert reply.scores[place] == pytest.approx(alone, abs=1e-4)


@torch.no_grad()
def one_by_one(network, clip, prompt, words):
    """Log-likelihood of one answer without anything shared."""
    if isinstance(network, Speaking):
        logits, labels = network.taught(clip, [prompt], [words])
        there = labels[0] != NO_LABEL
        chosen = logits[0].log_softmax(-1)[there]
        return float(chosen.gather(1, labels[0][there][:, None]).sum())
    marks, attended = network.marks, network.attended(clip)
    question = [marks.start, *prompt.question, marks.end]
    question += [marks.pad] * (network.words - len(question))
    total = 0.0
    for n, word in enumerate([*words, marks.end]):
        ids = torch.tensor([[*question, marks.start, *words[:n], marks.mask]])
        logits = network._read(ids, network._allowed(ids, len(question)), attended)
        total += float(logits[0, -1].log_softmax(-1)[word])
    return total


def test_it_speaks_the_same_words_each_time(asked):
    clip, prompt = asked.clip(request(material(3))), asked.prompt(request(material(3)))
    first = asked.network.generate(clip, prompt, 5)
    assert first == asked.network.generate(clip, prompt, 5)
    assert 0 < len(first) <= 5
    first_scores = asked.network.likelihoods(clip, prompt, [[word] for word in range(5, 300)])
    assert len(first_scores) == 295


def test_what_does_not_end_is_an_error(asked):
    with pytest.raises(ModelError, match="no end after 1 tokens"):
        asked.generate(request(material(0), max_tokens=1))


def test_another_sound_or_picture_is_another_score(asked):
    scores = asked.score(request(material(0, sound=0))).scores
    other_sound = asked.score(request(material(0, sound=5))).scores
    other_picture = asked.score(request(material(9, sound=0))).scores
    senses = asked.card.senses
    assert (np.abs(scores - other_sound).max() > 1e-5) == ("A" in senses)
    assert (np.abs(scores - other_picture).max() > 1e-5) == ("V" in senses)


def test_a_clip_without_sound_or_picture_is_still_answered(asked):
    for lost in (("audio",), ("visual",), ("audio", "visual")):
        reply = asked.score(request(material(0).without(*lost)))
        assert np.isfinite(reply.scores).all()
        assert reply.receipt.seconds_heard == 0 or "audio" not in lost
        assert reply.receipt.frames == 0 or "visual" not in lost


def test_the_receipt_tells_what_was_not_heard(asked):
    receipt = asked.score(request(material(0, seconds=9.0))).receipt
    assert receipt.seconds_of_sound == 9.0
    assert 0 < receipt.seconds_heard < 2.0  # tiny networks hear two slices at most
    assert receipt.frames == (asked.wanted.looking.frames if "V" in asked.card.senses else 0)


def test_length_and_prior_change_scores_as_they_say(asked):
    plain = asked.score(request(material(0))).scores
    mean = asked.score(request(material(0), length="mean")).scores
    lengths = np.array([len(asked.words(text)) + 1 for text in CANDIDATES])
    assert np.allclose(mean * lengths, plain, atol=1e-4)
    blank = request(material(0).without("audio", "visual"))
    prior = asked.score(request(material(0), prior=True)).scores
    assert np.allclose(prior, plain - asked.score(blank).scores, atol=1e-4)


def test_a_folder_gives_the_same_model_back(asked, tmp_path):
    save_model(tmp_path, asked.name, asked.network, asked.tokenizer, "nothing")
    again = open_model(str(tmp_path), Opening())
    assert np.array_equal(
        again.score(request(material(2))).scores, asked.score(request(material(2))).scores
    )
    assert again.identity()["family"] == asked.name
    (tmp_path / "model.json").write_text(json.dumps({"model": asked.name}))
    with pytest.raises(ValueError, match="lacks options"):
        open_model(str(tmp_path), Opening())


@pytest.mark.parametrize("name", ALL)
def test_the_card_is_whole(name):
    card = card_of(name)
    assert card.tier in TIERS
    assert all(getattr(card, field.name) for field in dataclasses.fields(card))
    assert (card.tier == "re-implemented with weight loading") == hasattr(
        model_file(name), "convert"
    )


@pytest.mark.parametrize("name", ALL)
def test_options_survive_json(name):
    options = model_file(name).TINY
    assert make_options(name, json.loads(json.dumps(dataclasses.asdict(options)))) == options
    with pytest.raises(ValueError, match="has no options elephants"):
        make_options(name, {"elephants": 1})
    with pytest.raises(ValueError, match=r"frames is 'many'|windows is 'many'"):
        make_options(name, {"windows" if name == "audio_flamingo" else "frames": "many"})


def test_unknown_models_are_refused_with_near_names(tmp_path):
    with pytest.raises(ValueError, match="near: valor"):
        build_model("valour")
    with pytest.raises(ValueError, match="not known; of vast"):
        convert_folder("cat", tmp_path, tmp_path, tmp_path)


def test_a_question_too_long_for_bert_is_refused():
    model = adapter("valor")
    long = dataclasses.replace(request(material(0)), text="Is it loud? " * 40)
    with pytest.raises(ValueError, match="longer than the 40"):
        model.score(long)


def test_weights_of_another_shape_are_refused(tmp_path):
    save_model(tmp_path, "vita", network("vita"), tokenizer(), "nothing")
    about = json.loads((tmp_path / "model.json").read_text())
    about["options"]["ear_width"] = 16
    (tmp_path / "model.json").write_text(json.dumps(about))
    with pytest.raises(ValueError, match="has misshapen"):
        open_model(str(tmp_path), Opening())
