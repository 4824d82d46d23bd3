"""CIGN, DCL, EEMC and RefAtomNet: the parts that are their contribution, against official numbers.

All sizes are those of the golden's own description.
"""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from fixtures import load_method, make_batch, small_options
from musicavqa.features.encoders.residual import ResNet18
from musicavqa.methods.layers.grouping import adapt_grouping
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Batch
from parity import check, check_gradients, golden


def within(weights, prefix):
    """The tensors of one part, without its prefix."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def batch_of(streams, **more):
    """One question without words per clip; every second is there."""
    first = next(iter(streams.values()))
    return Batch(
        keys=[str(row) for row in range(len(first))],
        streams=streams,
        seconds=torch.ones(first.shape[:2], dtype=torch.bool),
        clip_of=torch.arange(len(first)),
        words=more.pop("words", torch.zeros(len(first), 14, dtype=torch.long)),
        **more,
    )


def load_part(method, model, weights):
    """Fill what official weights have a place for: all but what the file calls its own."""
    left = model.load_state_dict(method.convert(weights), strict=False)
    assert left.unexpected_keys == []
    own = method.module.OWN_PARTS
    assert {k for k in model.state_dict() if k.startswith(own)} == set(left.missing_keys)


def cign(weights, inputs):
    """Our CIGN on maps of its two ResNet-18: one picture and one vector of sound per clip."""
    method, about = load_method("cign"), golden("cign").spec["options"]
    assert about["depth_aud"] == about["depth_vis"]
    options = dataclasses.replace(
        method.module.PUBLISHED, width=about["dim"], n_layers=about["depth_vis"],
        n_classes=about["num_class"], assign=about["attn_assign"], positions=False,
        audio_width=weights["aud_proj.weight"].shape[1],
        visual_width=weights["img_proj.weight"].shape[1],
    )  # fmt: skip
    model = method.build(options).eval()
    load_part(method, model, weights)
    eye, ear = ResNet18(), ResNet18()
    ear.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    eye.load_state_dict(within(weights, "imgnet."))
    ear.load_state_dict(within(weights, "audnet."))
    for part in (model, eye, ear):
        part.eval().to(inputs["image"].dtype)
    streams = {
        "audio_vggish": ear(inputs["audio"]).amax((2, 3))[:, None],
        "visual_resnet18_map": eye(inputs["image"])[:, None],
    }
    groups = {}
    for name in ("hear", "see"):
        part = getattr(model, name)
        part.register_forward_hook(lambda m, i, result, name=name: groups.update({name: result[0]}))
    evidence = model(batch_of(streams)).evidence
    found = {"prob_audio": evidence["heard"], "prob_video": evidence["seen"]}
    found |= {"group_audio": groups["hear"], "group_visual": groups["see"]}
    found["cls"] = model.name(model.tokens)
    found["loss.token"] = model.token_loss(torch.arange(about["num_class"]))
    wanted = inputs["labels"]
    both = [F.binary_cross_entropy(found[f"prob_{name}"], wanted) for name in ("video", "audio")]
    found["loss.pred"] = both[0] + both[1]
    return found, WithEncoders(model, imgnet=eye, audnet=ear)


class WithEncoders(torch.nn.Module):
    """A method and what makes its streams, so that gradients are found by name."""

    def __init__(self, model, **encoders):
        super().__init__()
        self.model = model
        for name, encoder in encoders.items():
            self.add_module(name, encoder)


def cign_modality_trans(weights, inputs):
    """Tokens and classes of one sense."""
    about = golden("cign_modality_trans").spec["options"]
    module = load_method("cign").module
    options = dataclasses.replace(
        module.PUBLISHED, width=about["dim"], n_layers=about["depth"], n_heads=about["num_heads"],
        n_classes=about["groups"], assign="hard" if about["hard_assignment"] else "soft",
    )  # fmt: skip
    sense = module.GroupedSense(options).eval().to(inputs["x"].dtype)
    sense.load_state_dict(adapt_grouping(weights))
    there = torch.ones(inputs["x"].shape[:2], dtype=torch.bool)
    groups, tokens, soft = sense(inputs["x"], inputs["group_tokens"], there)
    hard = F.one_hot(soft.argmax(1), soft.shape[1]).transpose(1, 2).to(soft.dtype)
    return {
        "groups": groups, "tokens": tokens, "attn.soft": soft[:, None],
        "attn.hard": hard[:, None],
    }, sense  # fmt: skip


RUNS = {run.__name__: run for run in (cign, cign_modality_trans)}


def our_name(name):
    """The official key of a tensor -> our parameter's name in what `RUNS[name]` returns."""

    def rename(key):
        if name == "cign":
            if key.startswith(("imgnet.", "audnet.")):
                return key
            return [f"model.{k}" for k in load_method("cign").convert({key: torch.zeros(3, 1)})]
        return list(adapt_grouping({key: torch.zeros(3)}))

    return rename


def runs(slow):
    """The names of `RUNS`; to fill the two whole ResNet-18 of CIGN once is enough."""
    return [pytest.param(n, marks=pytest.mark.slow) if n in slow else n for n in RUNS]


@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_numbers_of_the_official_code(name):
    check(name, "float64", RUNS[name])


@pytest.mark.parametrize("name", runs(slow=("cign",)))
def test_it_gives_the_numbers_of_the_official_code_in_single_precision(name):
    check(name, "float32", RUNS[name])


@pytest.mark.parametrize("name", runs(slow=("cign",)))
def test_it_gives_the_gradients_of_the_official_code(name):
    check_gradients(name, RUNS[name], our_name(name))


def test_each_class_of_cign_learns_whether_its_instrument_is_there():
    method = load_method("cign")
    model = method.build(small_options(method))
    batch = make_batch(method.streams(model.options))
    assert set(model(batch).losses) == {"tokens"}
    batch.truth = {sense: torch.zeros(4, len(INSTRUMENTS)) for sense in ("heard", "seen")}
    batch.truth["heard"][:, 3] = 2
    first = model(batch).losses["heard"].item()
    with torch.no_grad():
        model.heard.bias += 1.0
    assert model(batch).losses["heard"].item() > first  # 21 of 22 are silent
    other = method.build(method.options({"n_classes": 42, "width": 32, "n_layers": 1}))
    assert set(other(batch).losses) == {"tokens"}
