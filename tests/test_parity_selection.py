"""PSTP-Net, TSPM, QA-TIGER and AVST's smaller nets against the numbers of their official code."""

import dataclasses

import pytest
import torch
from torch.nn.functional import pad

from fixtures import load_method
from musicavqa.records import Batch
from musicavqa.training import loss_parts
from parity import DTYPES, check, check_gradients, golden


def build(name, weights, **changes):
    """Our model in its published configuration with official weights, as the code behaves."""
    method = load_method(name)
    options = dataclasses.replace(method.module.PUBLISHED, compat="released", **changes)
    model = method.build(options).eval().to(next(iter(weights.values())).dtype)
    model.load_state_dict(method.convert(weights), strict=True)
    return model


def make_batch(streams, target, texts=None, words=None):
    """One question per clip, no clip shorter than another."""
    n_clips, n_seconds = next(iter(streams.values())).shape[:2]
    return Batch(
        keys=[str(row) for row in range(n_clips)],
        streams=streams,
        seconds=torch.ones(n_clips, n_seconds, dtype=torch.bool),
        clip_of=torch.arange(n_clips),
        words=torch.zeros(n_clips, 14, dtype=torch.long) if words is None else words,
        texts=texts or {},
        answers=target,
    )


def watch(found, module, name, pick=lambda result: result):
    """Put every result of a module's calls into `found`, as a list under `name`."""
    module.register_forward_hook(
        lambda module, given, result: found.setdefault(name, []).append(pick(result))
    )


def ours(name):
    """The official key of a tensor -> our parameter's name."""
    return lambda key: next(iter(load_method(name).convert({key: torch.zeros(1)})))


def n_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def n_official(name):
    """Parameters of the golden, and those of them that a method leaves behind."""
    spec, dead = golden(name).spec, load_method(name).module.DEAD_KEYS
    sizes = {key: torch.Size(about["shape"]).numel() for key, about in spec["state_dict"].items()}
    return sum(sizes.values()), sum(size for key, size in sizes.items() if key.startswith(dead))


def tspm(weights, inputs):
    model, seen = build("tspm", weights), {}
    watch(seen, model.exchange, "exchange")
    watch(seen, model.relevance, "shares")
    watch(seen, model.sounding, "spatio", lambda result: result[0])
    watch(seen, model.when, "when", lambda result: result[0])
    n_seconds, n_given = inputs["audio"].shape[1], inputs["visual_patch"].shape[1]
    batch = make_batch(
        {
            "audio_vggish": inputs["audio"],
            "visual_clip_l14": inputs["visual"],
            "visual_clip_l14_tome": pad(
                inputs["visual_patch"], (0, 0, 0, 0, 0, n_seconds - n_given)
            ),
        },
        inputs["target"],
        {
            "text_clip_l14": inputs["question"][:, 0],
            "text_clip_l14_prompt": inputs["question_prompt"][:, 0],
        },
    )
    output = model(batch)
    found = {
        "answer_pred": output.logits,
        "av_attn.audio": seen["exchange"][0],
        "av_attn.visual": seen["exchange"][1],
        "temporal.weights": seen["shares"][0][:, None],
        "temporal.index": seen["shares"][0].topk(10).indices.sort().values[:, None],
        "spatio": seen["spatio"][0].unflatten(0, (-1, 10)),
        "grounding.audio": seen["when"][0],
        "grounding.visual": seen["when"][1],
        "loss.ce": loss_parts(output, batch)["answer"],
    }
    return found, model


def qa_tiger(weights, inputs, **changes):
    model, seen = build("qa_tiger", weights, **changes), {}
    watch(seen, model.exchange, "exchange")
    watch(seen, model.patches, "patches", lambda result: result[0])
    for kind, norm in model.norms.items():
        watch(seen, norm, kind)
    batch = make_batch(
        {
            "audio_vggish": inputs["audio"],
            "visual_clip_l14": inputs["video"],
            "visual_clip_l14_tome": inputs["patch"],
        },
        inputs["target"],
        {"text_clip_l14": inputs["quest"][:, 0], "text_clip_l14_words": inputs["words"]},
    )
    output = model(batch)
    found = {
        "out": output.logits,
        "crs_attn.audio": seen["exchange"][0],
        "crs_attn.video": seen["exchange"][1],
        "patch_selecter.audio": seen["patches"][0][0],
        "patch_selecter.video": seen["patches"][0][1],
        "at_aggregator": seen["ear"][0][:, None],
        "vt_aggregator.audio": seen["by_ear"][0][:, None],
        "vt_aggregator.video": seen["eye"][0][:, None],
        "loss.ce": loss_parts(output, batch)["answer"],
    }
    return found, model


def qa_tiger_top3(weights, inputs):
    return qa_tiger(weights, inputs, n_experts=10, top_experts=3)


RUNS = {"tspm": tspm, "qa_tiger": qa_tiger, "qa_tiger_top3": qa_tiger_top3}


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_numbers_of_the_official_code(name, precision):
    check(name, precision, RUNS[name])


@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_gradients_of_the_official_code(name):
    check_gradients(name, RUNS[name], ours(name.removesuffix("_top3")))


def test_tspm_carries_what_reaches_the_answer():
    everything, dead = n_official("tspm")
    assert dead == golden("tspm").spec["dead_parameters"] == 791_040
    values = 512 * 512 + 512
    assert n_parameters(tspm(*golden("tspm").tensors(torch.float32))[1]) == 11_252_778
    assert everything - dead - values == 11_252_778


def test_qa_tiger_carries_all_of_its_parameters():
    assert n_official("qa_tiger") == (14_960_212, 0)
    assert n_parameters(qa_tiger(*golden("qa_tiger").tensors(torch.float32))[1]) == 14_960_212
