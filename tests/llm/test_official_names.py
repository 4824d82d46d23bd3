"""Published weights by their own names, on tensors without content at full size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from llm.official_layouts import LAYOUTS, PUBLISHED, SMALL, official_weights
from llm.own_models import network
from musicavqa.llm import own
from musicavqa.llm.models import list_models, model_file


def test_a_layout_is_here_for_every_model_that_takes_published_weights():
    takes = {name for name in list_models() if hasattr(model_file(name), "convert")}
    assert takes == set(LAYOUTS) == set(PUBLISHED) == set(SMALL)


@pytest.mark.parametrize("wrapper", ["", "module."])
@pytest.mark.parametrize("name", LAYOUTS)
def test_official_names_and_shapes_are_ours_at_full_size(name, wrapper):
    with torch.device("meta"):
        layout = LAYOUTS[name](PUBLISHED[name])
        model = own.network_of(
            name, {wrapper + key: torch.empty(shape) for key, shape in layout.items()}, Path("file")
        )
    ours = {key for key, x in model.state_dict().items() if x.is_meta}
    assert ours == set(model.state_dict())


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_name_that_lacks_or_is_not_known_is_told(name, monkeypatch):
    monkeypatch.setattr(own, "build_model", network)
    official = official_weights(name)
    lost = next(key for key in official if "fc1.weight" in key and "encoder" in key)
    with pytest.raises(ValueError, match=r"^file lacks "):
        own.network_of(name, {k: x for k, x in official.items() if k != lost}, Path("file"))
    prefix = lost.rpartition(".fc1")[0]
    with pytest.raises(ValueError, match=r"^file has unknown .*fc9"):
        own.network_of(name, official | {f"{prefix}.fc9.weight": torch.ones(2)}, Path("file"))
    with pytest.raises(ValueError, match=r"^file has misshapen "):
        own.network_of(name, official | {lost: torch.ones(3)}, Path("file"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_official_tensor_lies_where_it_belongs(name):
    """A tensor is found in ours whole, but for those that are joined or left behind."""
    official = official_weights(name)
    ours = model_file(name).convert(official)
    sums = {round(float(x.double().sum()), 9) for x in ours.values()}
    gone = [k for k, x in official.items() if round(float(x.double().sum()), 9) not in sums]
    joined = ("_bias", "pos_conv.0.weight_v", "pos_conv.0.weight_g")
    left = [key for key in gone if not model_file(name).LEFT_BEHIND.search(key)]
    assert [key for key in left if not key.endswith(joined)] == []


def test_keys_of_eva_have_no_bias_and_queries_and_values_keep_theirs():
    prefix = "vision_encoder.visual.blocks.0.attn."
    given = {f"{prefix}q_bias": torch.ones(4), f"{prefix}v_bias": torch.full((4,), 3.0)}
    given |= {"audio_encoder.encoder.pos_conv.0.weight_v": torch.ones(2, 2, 2)}
    given |= {"audio_encoder.encoder.pos_conv.0.weight_g": torch.ones(1, 1, 2)}
    ours = model_file("vast").convert(given)
    bias = ours["eye.encoder.layers.0.self_attn.qkv.bias"]
    assert bias.tolist() == [1.0] * 4 + [0.0] * 4 + [3.0] * 4


def test_qwen2_keeps_its_names():
    model = network("videollama2")
    given = {
        k.removeprefix("language."): x for k, x in model.state_dict().items() if "language" in k
    }
    given |= {"model.audio_tower.encoder.pos_conv.0.weight_v": torch.ones(2, 2, 2)}
    given |= {"model.audio_tower.encoder.pos_conv.0.weight_g": torch.ones(1, 1, 2)}
    ours = model_file("videollama2").convert(given)
    assert {k for k in ours if k.startswith("language.")} == {
        k for k in model.state_dict() if k.startswith("language.")
    }
