"""PSTP-Net, TSPM, QA-TIGER and AVST's smaller nets against the numbers of their official code."""

import dataclasses

import pytest
import torch
from torch.nn.functional import pad

from fixtures import load_method
from musicavqa.features.encoders.residual import ResNet18
from musicavqa.methods.layers.selection import without_values
from musicavqa.records import Batch
from musicavqa.training.loop import loss_parts
from parity import DTYPES, avst_sizes, check, check_gradients, golden, said, size


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


def model_of(name):
    kept = golden(name)
    return RUNS[name](kept.spec, *kept.tensors(torch.float32))[1]


def n_official(name):
    """Parameters of the golden, and those of them that a method leaves behind."""
    spec, dead = golden(name).spec, load_method(name).module.DEAD_KEYS
    sizes = {key: torch.Size(about["shape"]).numel() for key, about in spec["state_dict"].items()}
    return sum(sizes.values()), sum(size for key, size in sizes.items() if key.startswith(dead))


def tspm(spec, weights, inputs):
    top_k = said(spec)["top_k"]
    sizes = {"audio_width": inputs["audio"].shape[-1], "visual_width": inputs["visual"].shape[-1]}
    sizes |= {"patch_width": inputs["visual_patch"].shape[-1], "top_k": top_k}
    sizes |= {
        "text_width": inputs["question"].shape[-1],
        "width": size(spec, "answer_pred_fc.weight", 1),
    }
    model, seen = build("tspm", weights, **sizes), {}
    watch(seen, model.exchange, "exchange")
    watch(seen, model.relevance, "shares")
    watch(seen, model.sounding, "spatio", lambda result: result[0])
    watch(seen, model.when, "when", lambda result: result[0])
    n_seconds, n_given = inputs["audio"].shape[1], inputs["visual_patch"].shape[1]
    batch = make_batch(
        {
            "audio_vggish": inputs["audio"],
            "visual_clip_l14_336": inputs["visual"],
            "visual_tome14": pad(inputs["visual_patch"], (0, 0, 0, 0, 0, n_seconds - n_given)),
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
        "temporal.index": seen["shares"][0].topk(top_k).indices.sort().values[:, None],
        "spatio": seen["spatio"][0].unflatten(0, (-1, top_k)),
        "grounding.audio": seen["when"][0],
        "grounding.visual": seen["when"][1],
        "loss.ce": loss_parts(output, batch)["answer"],
    }
    return found, model


def qa_tiger(spec, weights, inputs):
    about = said(spec)
    sizes = {"width": about["d_model"], "audio_width": about["audio_dim"]}
    sizes |= {"visual_width": about["video_dim"], "patch_width": about["patch_dim"]}
    sizes |= {"n_experts": about["num_experts"], "top_experts": about["topK"]}
    sizes["text_width"] = inputs["words"].shape[-1]
    model, seen = build("qa_tiger", weights, **sizes), {}
    watch(seen, model.exchange, "exchange")
    watch(seen, model.patches, "patches", lambda result: result[0])
    for kind, norm in model.norms.items():
        watch(seen, norm, kind)
    batch = make_batch(
        {
            "audio_vggish": inputs["audio"],
            "visual_clip_l14_336": inputs["video"],
            "visual_tome14": inputs["patch"],
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


PSTP_RELEASED = dataclasses.replace(load_method("pstp_net").module.PUBLISHED, compat="released")

PSTP_STEPS = {
    "TempSegsSelect_Module.clip_fc.": "steps.segment_in.",
    "TempSegsSelect_Module.attn_qst_query.": "steps.which_segment.",
    "fc_p.": "steps.patch_in.",
    "SpatRegsSelect_Module.attn_qst_query.": "steps.which_patch.",
    "AudioGuidedVisualAttn.attn_audio_query.": "steps.sounding.attention.",
    "AudioGuidedVisualAttn.audio_query_linear1.": "steps.sounding.inner.",
    "AudioGuidedVisualAttn.audio_query_linear2.": "steps.sounding.outer.",
    "AudioGuidedVisualAttn.audio_query_visual_norm.": "steps.sounding.norm.",
    "GlobalLocal_Module.layers.0.self_attn.": "exchange.itself.",
    "GlobalLocal_Module.layers.0.cm_attn.": "exchange.partners.0.",
    "GlobalLocal_Module.layers.0.linear1.": "exchange.inner.",
    "GlobalLocal_Module.layers.0.linear2.": "exchange.outer.",
    "GlobalLocal_Module.layers.0.norm": "exchange.norm",
    "fc_av_fusion.": "fusion.",
}
"""Where the steps that the released code throws away stand in our complete model."""


def pstp_sizes(spec, inputs):
    about = said(spec)
    sizes = {"n_segments": about["segs"], "top_k": about["top_k"], "top_m": about["top_m"]}
    sizes |= {"audio_width": inputs["audio"].shape[-1], "visual_width": inputs["visual"].shape[-1]}
    sizes |= {"text_width": inputs["question"].shape[-1], "width": size(spec, "fc_a.weight")}
    return sizes | {"patch_width": inputs["patch"].shape[-1]}


def complete_pstp_net(spec, weights, inputs):
    """Our complete PSTP-Net with the weights of all official steps."""
    method = load_method("pstp_net")
    published = dataclasses.replace(method.module.PUBLISHED, **pstp_sizes(spec, inputs))
    model = method.build(published).eval().to(weights["fc_a.weight"].dtype)
    state = method.convert(weights)
    for selection in ("TempSegsSelect_Module", "SpatRegsSelect_Module"):
        weights = without_values(weights, f"{selection}.attn_qst_query.")
    for key, tensor in weights.items():
        for theirs, here in PSTP_STEPS.items():
            if key.startswith(theirs):
                state[here + key[len(theirs) :]] = tensor
    state = {k: v for k, v in state.items() if not k.startswith(("words_in.", "gather."))}
    model.load_state_dict(state, strict=True)
    return model


def pstp_net_steps(spec, weights, inputs, batch):
    """Outputs of the steps; the choice of patches is made as wrong as it was released."""
    model, seen = complete_pstp_net(spec, weights, inputs), {}
    options, (n_clips, n_seconds, n_patches) = model.options, inputs["patch"].shape[:3]
    step = n_seconds // options.n_segments  # seconds of a segment
    watch(seen, model.steps.which_segment, "segments")
    watch(seen, model.steps.which_patch, "patches")
    watch(seen, model.steps.patch_in, "projected")
    watch(seen, model.audio_in, "audio")
    watch(seen, model.visual_in, "visual")
    model(batch)
    shares, patches, everyone = (
        seen["segments"][0],
        seen["patches"][0],
        torch.arange(n_clips)[:, None],
    )
    segments = shares.topk(options.top_k).indices.sort().values  # (B, K)
    places = (segments[..., None] * step + torch.arange(step)).flatten(1)
    audio, visual = seen["audio"][0], seen["visual"][0]
    last = patches[0].topk(options.top_m).indices.max()
    spot = model.steps.patch_in(inputs["patch"])[everyone, places][:, :, last]
    chosen = audio[everyone, places]
    many = spot.flatten(0, 1)[:, None].expand(-1, options.top_m, -1)
    heard, _ = model.steps.sounding(chosen.flatten(0, 1), many)
    changed = model.exchange(audio, batch.seconds, (visual, batch.seconds))
    return {
        "seg.weights": shares[:, None],
        "seg.index": segments[:, None],
        "seg.audio": chosen,
        "seg.visual": visual[everyone, places],
        "spat.patch_weights": patches.view(n_clips, -1, n_patches),
        "spat.patch_top_m": spot,
        "avam": heard.view_as(chosen),
        "han.audio": changed,
        "han.visual": model.exchange(visual, batch.seconds, (changed, batch.seconds)),
    }


def pstp_net(spec, weights, inputs):
    model, seen = build("pstp_net", weights, **pstp_sizes(spec, inputs)), {}
    watch(seen, model.gather, "gathered")
    batch = make_batch(
        {
            "audio_vggish": inputs["audio"],
            "visual_clip_b32": inputs["visual"],
            "visual_clip_b32_patches": inputs["patch"],
        },
        inputs["target"],
        {
            "text_clip_b32": inputs["question"][:, 0],
            "text_clip_b32_words": inputs["qst_word"][:, 0],
        },
    )
    output = model(batch)
    found = {
        "answer_pred": output.logits,
        "global_self_mean": seen["gathered"][0].mean(1),
        "loss.ce": loss_parts(output, batch)["answer"],
    }
    return {**found, **pstp_net_steps(spec, weights, inputs, batch)}, model


def avst_baseline(spec, weights, inputs):
    sizes = avst_sizes(spec, inputs)
    model = build("avst_baseline", weights, every_nth_second=1, **sizes)
    streams = {"audio_vggish": inputs["audio"], "visual_resnet18_map": inputs["visual_posi"]}
    batch = make_batch(streams, inputs["target"], words=inputs["question"])
    output = model(batch)
    return {"out_qa": output.logits, "loss.ce": loss_parts(output, batch)["answer"]}, model


def avst_grounding(spec, weights, inputs):
    """The net of AVST's first stage, with the weights that go on: its ResNet makes our stream."""
    method, net = load_method("avst"), torch.nn.Module()
    sizes = {"audio_width": inputs["audio"].shape[-1], "width": size(spec, "fc_a2.weight")}
    options = dataclasses.replace(method.module.PUBLISHED, every_nth_second=1, **sizes)
    net.avst, net.visual_net = method.build(options).eval(), ResNet18(last_stride=1).eval()
    official = {key: tensor for key, tensor in weights.items() if key.startswith("visual_net.")}
    unused = ("visual_net.conv1_a.", "visual_net.fc.")
    net.visual_net.load_state_dict(
        {k.removeprefix("visual_net."): v for k, v in official.items() if not k.startswith(unused)}
    )
    left = net.avst.load_state_dict(method.convert(weights), strict=False)
    assert left.unexpected_keys == []
    learned_later = ("question.", "when_heard.", "when_seen.", "fusion.", "answer.")
    assert all(key.startswith(learned_later) for key in left.missing_keys)
    net.to(inputs["audio"].dtype)
    frames = inputs["visual"]  # (N, 2, 3, H, W): a clip of two seconds for each pair
    maps = net.visual_net(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    streams = {"audio_vggish": inputs["audio"], "visual_resnet18_map": maps}
    batch, seen = make_batch(streams, None), {}
    batch.negatives = {"visual_resnet18_map": maps}
    watch(seen, net.avst.match, "match")
    net.avst.stage_losses("grounding", batch)
    logits = seen["match"][0]  # (2 N, 2)
    labels = torch.tensor([1, 0] * len(frames))
    return {"out_match": logits, "loss.ce": torch.nn.functional.cross_entropy(logits, labels)}, net


RUNS = {run.__name__: run for run in (avst_baseline, pstp_net, tspm, qa_tiger)}
RUNS["qa_tiger_top3"] = qa_tiger


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
    assert n_parameters(model_of("tspm")) == 11_252_778
    assert everything - dead - values == 11_252_778


def test_qa_tiger_carries_all_of_its_parameters():
    assert n_official("qa_tiger") == (14_960_212, 0)
    assert n_parameters(model_of("qa_tiger")) == 14_960_212


def test_released_pstp_net_carries_what_reaches_its_answer():
    everything, dead = n_official("pstp_net")
    assert everything == golden("pstp_net").spec["parameters"] == 16_383_018
    model = load_method("pstp_net").build(PSTP_RELEASED)
    assert n_parameters(model) == everything - dead == 2_453_546
    complete = load_method("pstp_net")
    assert n_parameters(complete.build(complete.module.PUBLISHED)) == 7_181_354


def test_the_baseline_of_avst_carries_what_reaches_its_answer():
    everything, dead = n_official("avst_baseline")
    assert dead == golden("avst_baseline").spec["dead_parameters"] == 3_576_962
    model = model_of("avst_baseline")
    assert n_parameters(model) == everything - dead == 6_702_634


@pytest.mark.parametrize("precision", DTYPES)
def test_the_grounding_stage_of_avst_gives_the_numbers_of_the_official_code(precision):
    check("avst_grounding", precision, avst_grounding)


def test_the_grounding_stage_of_avst_gives_the_gradients_of_the_official_code():
    def name(key):
        return key if key.startswith("visual_net.") else f"avst.{ours('avst')(key)}"

    check_gradients("avst_grounding", avst_grounding, name)


def test_avst_carries_what_reaches_an_output():
    everything, dead = n_official("avst")
    method = load_method("avst")
    model = method.build(dataclasses.replace(method.module.PUBLISHED, n_words=93))
    assert n_parameters(model) == everything - dead == 7_916_716
