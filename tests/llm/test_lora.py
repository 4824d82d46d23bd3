"""Low-rank adapters: what learns, going on after a kill, and what is written."""

from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch

from llm import tiny_models
from llm.own_models import CANDIDATES, QUESTION, adapter, material, request
from musicavqa.llm.contract import Opening
from musicavqa.llm.opening import open_model
from musicavqa.llm.own import save_model
from musicavqa.llm.teaching import (
    ADAPTER,
    STATE,
    LoraRecipe,
    attach,
    merge_llm,
    rate_at,
    teach_llm,
)

RECIPE = LoraRecipe(
    rank=4, alpha=8.0, dropout=0.1, epochs=2, batch=2, accumulate=1, learning_rate=1e-2,
    save_every=1,
)  # fmt: skip


@dataclasses.dataclass
class Few:
    """Clips that differ and their answers; says `after` how many it is to fail."""

    n: int = 4
    fails_after: int | None = None
    asked: int = 0

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, place):
        self.asked += 1
        if self.fails_after is not None and self.asked > self.fails_after:
            raise KeyboardInterrupt
        clip = material(place)
        clip = clip.without("audio") if place == 3 else clip
        return dataclasses.replace(request(clip), text=QUESTION), CANDIDATES[place]

    def mark(self) -> str:
        return f"few-{self.n}"


def scores(model):
    return model.score(request(material(0))).scores


@pytest.mark.parametrize("name", ["videollama2", "valor"])
def test_only_adapters_and_bridges_learn_and_the_loss_falls(name, tmp_path):
    model = adapter(name)
    before = {key: value.clone() for key, value in model.network.named_parameters()}
    told = []
    recipe = dataclasses.replace(RECIPE, epochs=6, dropout=0.0)
    teach_llm(model, Few(), recipe, tmp_path, lambda *step: told.append(step))
    changed = {
        key.replace(".base_layer", "")
        for key, value in model.network.named_parameters()
        if "lora_" not in key and not torch.equal(value, before[key.replace(".base_layer", "")])
    }
    assert changed
    assert not any(key.startswith(("language.", *model.network.frozen)) for key in changed)
    assert any("lora_B" in key and value.any() for key, value in model.network.named_parameters())
    losses = [loss for _, _, loss in told]
    assert len(losses) == told[-1][1] == 12
    assert np.mean(losses[-2:]) < 0.9 * np.mean(losses[:2])


def test_a_killed_lesson_goes_on_to_the_same_weights(tmp_path):
    whole = adapter("videollama2")
    teach_llm(whole, Few(), RECIPE, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        teach_llm(adapter("videollama2"), Few(fails_after=5), RECIPE, tmp_path / "killed")
    again, rest = adapter("videollama2"), Few()
    teach_llm(again, rest, RECIPE, tmp_path / "killed")
    assert rest.asked == 4  # two of the four steps were done
    assert np.array_equal(scores(again), scores(whole))
    states = [(tmp_path / run / STATE).read_bytes() for run in ("whole", "killed")]
    assert states[0] == states[1]


def test_an_adapter_attached_and_an_adapter_merged_answer_alike(tmp_path):
    taught = adapter("videollama2")
    plain = scores(taught)
    teach_llm(taught, Few(), RECIPE, tmp_path / "lesson")
    assert not np.allclose(scores(taught), plain, atol=1e-2)
    anew = adapter("videollama2")
    attach(anew, tmp_path / "lesson")
    assert np.allclose(scores(anew), scores(taught), atol=1e-5)
    merge_llm(adapter("videollama2"), tmp_path / "lesson", tmp_path / "merged")
    opened = open_model(str(tmp_path / "merged"), Opening())
    assert np.allclose(scores(opened), scores(taught), atol=1e-3)
    assert opened.ability.trained_on == "taught few-4"
    config = json.loads((tmp_path / "lesson" / ADAPTER / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (4, 8.0, "LORA")


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "qwen2_5_omni_thinker", "audioflamingo3"])
def test_models_of_transformers_learn_too(kind, tmp_path):
    model, anew = (native(kind) for _ in range(2))
    recipe = dataclasses.replace(RECIPE, epochs=4, dropout=0.0)
    told = []
    teach_llm(model, Few(2), recipe, tmp_path / "lesson", lambda *step: told.append(step[2]))
    assert told[-1] < told[0]
    learned = [key for key, _ in model.model.named_parameters() if "lora_" in key]
    assert len(learned) == 2 * 4 * model.model.config.get_text_config().num_hidden_layers
    plain, taught = scores(anew), scores(model)
    assert not np.allclose(plain, taught, atol=1e-3)
    attach(anew, tmp_path / "lesson")
    assert np.allclose(scores(anew), taught, atol=1e-5)


def native(kind):
    """A model of its own, which no other test shares."""
    found = tiny_models.adapter(kind)
    return dataclasses.replace(found, model=copy.deepcopy(found.model))


def test_other_lessons_in_the_same_folder_are_refused(tmp_path):
    teach_llm(adapter("vita"), Few(2), dataclasses.replace(RECIPE, epochs=1), tmp_path)
    with pytest.raises(ValueError, match="other lessons; take another folder"):
        teach_llm(adapter("vita"), Few(3), dataclasses.replace(RECIPE, epochs=1), tmp_path)
    with pytest.raises(ValueError, match="other recipe"):
        teach_llm(adapter("vita"), Few(2), RECIPE, tmp_path)


def test_a_model_with_an_adapter_is_not_taught_another(tmp_path):
    model = adapter("vita")
    teach_llm(model, Few(2), dataclasses.replace(RECIPE, epochs=1), tmp_path / "one")
    with pytest.raises(ValueError, match="has an adapter already"):
        teach_llm(model, Few(2), RECIPE, tmp_path / "two")


def test_what_was_learned_by_another_model_is_refused(tmp_path):
    teach_llm(adapter("vita"), Few(2), dataclasses.replace(RECIPE, epochs=1), tmp_path)
    save_model(tmp_path / "model", "cat", adapter("cat").network, adapter("cat").tokenizer, "no")
    with pytest.raises(ValueError, match="is of another model"):
        attach(open_model(str(tmp_path / "model"), Opening()), tmp_path)
    with pytest.raises(FileNotFoundError, match="no adapter in"):
        attach(adapter("vita"), tmp_path / "model")


@pytest.mark.parametrize(
    ("values", "says"),
    [({"rank": 0}, "rank is 0"), ({"dropout": 1.0}, "dropout"), ({"learning_rate": 0.0}, "above")],
)
def test_recipes_that_make_no_sense_are_refused(values, says):
    with pytest.raises(ValueError, match=says):
        LoraRecipe(**values)


def test_the_rate_rises_and_falls_to_nothing():
    rates = [rate_at(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[99] < 0.001
