"""MCCD, OGM and OPM against the numbers of their official code."""

import dataclasses
import math

import pytest
import torch
from torch import nn

from fixtures import load_method
from musicavqa.methods.layers.debiasing import agree_in_a_cycle, divergence, push_apart
from musicavqa.methods.layers.sense_balance import dominance, logits_alone
from musicavqa.methods.plugins import ogm, opm
from musicavqa.records import Batch, Output
from parity import DTYPES, check, golden, said

SHARES = (0.333, 0.333, 0.333)
OUR_NAMES = {"encoder_1.conv": "ear", "encoder_2.conv": "eye", "fusion_model.fxy": "answer"}
OFFICIAL_SENSES = {"question": "q", "audio": "a", "visual": "v"}


def mccd_losses(logits, biases, target):
    """Every loss under its official name."""
    distance = nn.functional.pairwise_distance
    answer = nn.functional.cross_entropy(logits, target)
    found = {
        f"loss.distance_{OFFICIAL_SENSES[m]}": distance(logits, biases[m]).mean() for m in biases
    }
    found["loss.kl_q_a"] = divergence(biases["question"], biases["audio"])
    found["loss.kl_v_q"] = divergence(biases["visual"], biases["question"])
    found["loss.kl_a_v"] = divergence(biases["audio"], biases["visual"])
    push, cycle = push_apart(logits, biases, SHARES), agree_in_a_cycle(biases, SHARES)
    return found | {"loss.ce": answer, "loss.total": answer + 0.01 * push + 0.333 * cycle}


MCCD_SIZES = {
    "visual_token_width": "visual_embedding_dim", "n_layers": "num_hidden_layers",
    "n_words": "vocab_size", "width": "hidden_size", "n_heads": "num_attention_heads",
    "feed_width": "intermediate_size", "n_places": "max_position_embeddings",
}  # fmt: skip


def mccd(spec, weights, inputs):
    method, dtype, about = load_method("mccd"), inputs["audio"].dtype, said(spec)
    sizes = {ours: about[theirs] for ours, theirs in MCCD_SIZES.items()}
    sizes |= {"audio_width": inputs["audio"].shape[-1], "visual_width": inputs["video"].shape[-1]}
    options = dataclasses.replace(method.module.PUBLISHED, compat="released", **sizes)
    model = method.build(options).eval().to(dtype)
    model.load_state_dict(method.convert(weights), strict=True)
    words = model.read(inputs["input_ids"] * (inputs["attention_mask"] != 0))
    audio, visual = (inputs[name] for name in ("audio", "video"))  # each of its own length
    there = [torch.ones(rows.shape[:2], dtype=torch.bool) for rows in (audio, visual)]
    read = words, model.hear(audio, there[0]), model.see(visual, there[1]), torch.arange(len(audio))
    logits, biases = model.joint_logits(*read), model.bias_logits(*read)
    found = {f"{OFFICIAL_SENSES[name]}_bias_logits": value for name, value in biases.items()}
    return found | {"fusion_logits": logits} | mccd_losses(logits, biases, inputs["target"]), model


def losses_alone(spec, weights, inputs):
    names = {m: f"{short}_bias_logits" for m, short in OFFICIAL_SENSES.items()}
    with torch.enable_grad():
        leaves = {k: v.clone().requires_grad_() for k, v in inputs.items() if k != "target"}
        biases = {name: leaves[key] for name, key in names.items()}
        found = mccd_losses(leaves["fusion_logits"], biases, inputs["target"])
        found["loss.total"].backward()
    return found | {f"grad.{key}": leaf.grad for key, leaf in leaves.items()}, None


class TwoSenses(nn.Module):
    """The stub of the OGM and OPM fixtures: a convolution per sense, joined by a linear layer."""

    def __init__(self, weights):
        super().__init__()
        width, channels, side, _ = weights["encoder_2.conv.weight"].shape
        self.ear = nn.Conv2d(1, width, side, padding=side // 2)
        self.eye = nn.Conv2d(channels, width, side, padding=side // 2)
        self.answer = nn.Linear(2 * width, len(weights["fusion_model.fxy.bias"]))
        self.to(next(iter(weights.values())).dtype)
        self.load_state_dict(
            {
                f"{ours}.{kind}": weights[f"{official}.{kind}"]
                for official, ours in OUR_NAMES.items()
                for kind in ("weight", "bias")
            }
        )

    def forward(self, batch):
        heard = torch.relu(self.ear(batch.streams["audio_spec"][:, None])).mean((2, 3))
        frames = batch.streams["visual_video"].transpose(1, 2)  # (B, T, 3, H, W)
        seen = torch.relu(self.eye(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])
        features = {"audio": heard, "visual": seen.mean((1, 3, 4))}
        return Output(self.answer_from(features), features=features)

    def answer_from(self, features):
        return self.answer(torch.cat([features["audio"], features["visual"]], dim=-1))


def two_senses(weights, inputs):
    """The stub, its batch, its output, and outputs under official names."""
    rows = len(inputs["label"])
    batch = Batch(
        keys=[str(row) for row in range(rows)],
        streams={"audio_spec": inputs["spec"], "visual_video": inputs["video"]},
        seconds=torch.ones(rows, 1, dtype=torch.bool),
        clip_of=torch.arange(rows),
        words=torch.zeros(rows, 14, dtype=torch.long),
        answers=inputs["label"],
    )
    model = TwoSenses(weights)
    output = model(batch)
    alone = logits_alone(model, output.features)
    right = [z.softmax(-1).gather(1, batch.answers[:, None]).sum() for z in alone]
    found = {f"logits_{place}": z for place, z in enumerate(alone, start=1)}
    found |= {f"performance_{place}": value for place, value in enumerate(right, start=1)}
    return model, batch, output, found


def gradients(model, mark):
    """Gradients as the fixture keeps them: kernels of 16 channels, and norms of whole tensors."""
    found = {}
    for official, ours in OUR_NAMES.items():
        for kind, parameter in getattr(model, ours).named_parameters():
            kept, name = parameter.grad.clone(), f"{official}.{kind}"
            found[f"grad_l2_{mark}.{name}"] = kept.norm()
            found[f"grad_{mark}.{name}"] = kept[:16] if kept.ndim == 4 else kept
    return found


@torch.enable_grad()
def ogm_step(spec, weights, inputs):
    alpha = said(spec)["alpha"]
    model, batch, output, found = two_senses(weights, inputs)
    loss = nn.functional.cross_entropy(output.logits, batch.answers)
    found |= {"logits": output.logits, "loss.ce": loss}
    for mark, strength, weaker in (
        ("plain", 0.0, 1.0),
        ("ogm", alpha, 1.0),
        ("ogm_plus", 0.0, 4.0),
    ):
        model.zero_grad()
        loss.backward(retain_graph=True)
        options = ogm.Options(strength, weaker, noise=0.0, warmup_epochs=0, compat="released")
        ogm.Plugin(options, model, batch, output).after_backward(model, batch, output)
        found |= gradients(model, mark)
    return found, model


def opm_step(spec, weights, inputs):
    options = opm_options(spec)
    model, batch, output, found = two_senses(weights, inputs)
    chance = opm.chances(dominance(model, output.features, batch.answers), options)
    kept = inputs["keep"][:, 0] != 0
    left = opm.drop(output.features, kept, chance)
    some = kept.any(1)
    found |= {"q": chance, "update_flag": some.long(), "out": model.answer_from(left)[some]}
    return found | {"cleaned_1": left["audio"][some], "cleaned_2": left["visual"][some]}, model


def opm_options(spec):
    about = said(spec)
    return opm.Options(about["q_base"], about["lam"])


def formulas(spec, weights, inputs):
    first, second = inputs["performance_1"], inputs["performance_2"]
    ratios = torch.stack([first / second, second / first], dim=-1)
    strength = said(spec)["alpha"]
    released = ogm.Options(strength, compat="released")
    return {
        "q": opm.chances(ratios, opm_options(spec)),
        "ogm_release": ogm.slowdown(ratios, released),
        "ogm_paper": ogm.slowdown(ratios, ogm.Options(strength)),
    }, None


RUNS = {
    "mccd": mccd,
    "mccd_losses": losses_alone,
    "ogm": ogm_step,
    "opm": opm_step,
    "opm_ogm_formulas": formulas,
}


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_numbers_of_the_official_code(name, precision):
    check(name, precision, RUNS[name])


def test_mccd_gives_the_gradients_of_the_official_code():
    kept, convert = golden("mccd"), load_method("mccd").convert
    found, model = mccd(kept.spec, *kept.tensors(torch.float64))
    found["fusion_logits"].sum().backward()
    parameters = dict(model.named_parameters())
    for key, wanted in kept.spec["gradient"]["l2"].items():
        block, inside, part = key.partition(".attention.self.")
        names = [f"{block}{inside}{name}.{key[-6:]}" for name in ("query", "key", "value")]
        ours = next(iter(convert({name: torch.zeros(1) for name in (names if inside else [key])})))
        place = ("query", "key", "value").index(part.split(".")[0]) if inside else 0
        gradient = parameters[ours].grad.chunk(3 if inside else 1)[place]
        assert math.isclose(float(gradient.norm()), wanted, rel_tol=1e-6), key


def test_mccd_has_the_published_number_of_parameters():
    method = load_method("mccd")
    options = dataclasses.replace(method.module.PUBLISHED, compat="released")
    with torch.device("meta"):
        model = method.build(options)
    assert sum(parameter.numel() for parameter in model.parameters()) == 117_191_336
