"""Classical question answering networks against the numbers that their official code gave.

Each network is filled with the weights of the fixture through its converter and runs on the
official inputs; what our models put around it (streams, head) has no official counterpart.
"""

import dataclasses
import math
from itertools import combinations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from fixtures import load_method, make_batch, small_options
from musicavqa.methods.layers import N_WORDS
from musicavqa.methods.layers.dialogue import Dialogue, official_dialogue
from musicavqa.methods.layers.factor_graph_attention import FactorGraphAttention
from parity import DTYPES, check, check_gradients, golden, said, size


def released(name, weights, dtype, **changes):
    """The method at its published sizes with official weights, and its `network`."""
    method = load_method(name)
    options = dataclasses.replace(
        method.module.PUBLISHED, audio_stream=None, compat="released", **changes
    )
    model = method.build(options).eval().to(dtype)
    model.load_state_dict(method.convert(weights), strict=True)
    return model, model.network


def our_name(name, key):
    """Our name of one official parameter."""
    shape = golden(name).spec["state_dict"][key]["shape"]
    return next(iter(load_method(name).convert({key: torch.zeros(shape)})))


MCAN_SIZES = {
    "width": "HIDDEN_SIZE", "n_heads": "MULTI_HEAD", "n_layers": "LAYER", "n_words": "token_size",
    "word_width": "WORD_EMBED_SIZE", "visual_width": "IMG_FEAT_SIZE",
}  # fmt: skip


def mcan_sizes(spec):
    about = said(spec)
    assert about["FLAT_GLIMPSES"] == 1, "ours has one glimpse"
    return {ours: about[theirs] for ours, theirs in MCAN_SIZES.items()}


def mcan(spec, weights, inputs):
    regions = inputs["img_feat"]
    model, network = released("mcan", weights, regions.dtype, **mcan_sizes(spec))
    flat = {}
    for name, part in (("flat_img", network.pool_tokens), ("flat_lang", network.pool_words)):
        part.register_forward_hook(lambda _, __, found, name=name: flat.update({name: found[0]}))
    tokens, there = network.picture(regions), (regions != 0).any(-1)
    logits, *_ = network(inputs["ques_ix"], tokens, there, torch.arange(len(tokens)))
    loss = binary_cross_entropy_with_logits(logits, inputs["target"], reduction="sum")
    return {"logits": logits, "scores": logits.sigmoid(), "loss.bce_sum": loss, **flat}, model


def drawn(spec):
    """The subsets that the official run drew, as 1 and 0 (G, n) per unit and size.

    `rng_choices` has [number of subsets, which one] in the order of the draws: for each part the
    motion unit, then the question unit, size by size; then both units over the parts.
    """
    about, draws = said(spec), iter(spec["rng_choices"])
    frames, parts = about["k_max_frame_level"], about["k_max_clip_level"]

    def rows(n_objects):
        found = []
        for n_chosen in range(max(n_objects - 1, 2), 1, -1):
            subsets = list(combinations(range(n_objects), n_chosen))
            n_subsets, choice = next(draws)
            assert n_subsets == len(subsets)
            found.append(torch.tensor([place in subsets[choice] for place in range(n_objects)]))
        return found

    of_parts = [[rows(frames), rows(frames - 2)] for _ in range(parts)]
    whole = [[row[None] for row in rows(n)] for n in (parts, parts - 2)]
    units = [
        [torch.stack(row) for row in zip(*unit, strict=True)]
        for unit in zip(*of_parts, strict=True)
    ]
    return *units, *whole


def hcrn_sizes(spec):
    about, unit = said(spec), "visual_input_unit."
    sizes = {"n_frames": about["k_max_frame_level"], "n_parts": about["k_max_clip_level"]}
    sizes |= {"width": about["module_dim"], "word_width": about["word_dim"]}
    sizes |= {"visual_width": about["vision_dim"]}
    sizes["motion_width"] = size(spec, f"{unit}clip_level_motion_proj.weight", 1)
    sizes["n_words"] = size(spec, "linguistic_input_unit.encoder_embed.weight")
    return sizes


def hcrn(spec, weights, inputs):
    appearance, words = inputs["appearance"], inputs["question"]
    model, network = released("hcrn", weights, appearance.dtype, **hcrn_sizes(spec))
    words = words * (torch.arange(words.shape[1]) < inputs["question_len"][:, None])
    rows, picks = torch.arange(len(words)), drawn(spec)
    question = network.read(words)
    tokens = network.relate(question, appearance, inputs["motion"], rows, picks)
    logits = network(words, appearance, inputs["motion"], rows, picks)
    loss = cross_entropy(logits, inputs["target"])
    found = {"out": logits, "question": question, "visual_tokens": tokens, "loss.ce": loss}
    return found | {"aggregated": network.pooling(question, tokens)}, model


def psac_sizes(spec):
    frames, question = "vid_encoder.", "ques_encoder."
    heads, width, _ = spec["state_dict"][f"{frames}layer_stack.0.slf_attn.w_qs"]["shape"]
    sizes = {"visual_width": width, "frame_width": width, "n_heads": heads}
    sizes["n_places"] = size(spec, f"{frames}position_enc.weight")
    sizes["place_width"] = size(spec, f"{frames}position_enc.weight", 1)
    sizes["width"] = size(spec, f"{question}vq_resizer.out.weight")
    for ours, theirs in (("word", "word_emb"), ("letter", "char_emb")):
        sizes[f"n_{ours}s"] = size(spec, f"{question}{theirs}.weight")
        sizes[f"{ours}_width"] = size(spec, f"{question}{theirs}.weight", 1)
    return sizes


def psac(spec, weights, inputs):
    video, words = inputs["video"], inputs["words"]
    model, network = released("psac", weights, video.dtype, **psac_sizes(spec))
    kept = {}
    network.frames.register_forward_hook(lambda _, __, found: kept.update(frames=found))
    network.classifier.register_forward_hook(lambda _, given, __: kept.update(fused=given[0]))
    valid = torch.ones(video.shape[:2], dtype=torch.bool)
    spelled = network.question.spell(inputs["chars"])
    rows, places = torch.arange(len(words)), torch.arange(video.shape[1])
    logits, _ = network(video, places, valid, words, spelled, rows)
    ends = kept["frames"][:, [0, -1]]
    found = {"log_probs": logits.log_softmax(-1), "fused": kept["fused"]}
    found["loss.nll"] = cross_entropy(logits, inputs["target"])
    return found | {f"vid_encoder_frames_0_{video.shape[1] - 1}": ends}, model


def avsd(spec, weights, inputs):
    """All of it: to the state from which the decoder starts, the history, the decoder's words."""
    method, dtype = load_method("avsd"), inputs["audio"].dtype
    sizes = {"n_frames": len(inputs["visual"]), "visual_width": inputs["visual"].shape[-1]}
    sizes |= {"n_words": size(spec, "input_encoder.embed.weight")}
    sizes |= {"word_width": size(spec, "input_encoder.embed.weight", 1)}
    sizes |= {"width": size(spec, "emb_s.weight"), "audio_width": inputs["audio"].shape[-1]}
    options = dataclasses.replace(method.module.PUBLISHED, compat="released", **sizes)
    model = method.build(options)
    missing, unexpected = model.load_state_dict(method.convert(weights), strict=False)
    assert {key.split(".")[0] for key in missing} == {"answer"}
    assert not unexpected
    model.dialogue = Dialogue(options.n_words, options.word_width, options.width)
    model.dialogue.load_state_dict(official_dialogue(weights), strict=True)
    model.eval().to(dtype)
    pictures, audio = inputs["visual"].transpose(0, 1), inputs["audio"].transpose(0, 1)
    spoken = torch.arange(inputs["question"].shape[1]) < inputs["question_len"][:, None]
    valid = torch.ones(audio.shape[:2], dtype=torch.bool)
    vectors, (hidden, cell), _ = model.network(
        inputs["question"] * spoken, pictures, audio, valid, torch.arange(len(audio))
    )
    names = ("fga.question", *(f"fga.visual{i}" for i in range(len(vectors) - 2)), "fga.audio")
    found = dict(zip(names, vectors, strict=True))
    found |= {"av_hidden": hidden, "av_cell": cell}
    turns, lengths = (inputs[name].transpose(0, 1) for name in ("history", "history_len"))
    history, length = model.dialogue.history(turns, lengths), inputs["answer_len"]
    said_before = torch.arange(inputs["answer_in"].shape[1]) < length[:, None]
    logits = model.dialogue.reply(inputs["answer_in"], length, (hidden, cell), vectors[0], history)
    found |= {"history": history, "decoder_logits": logits[said_before]}
    found["loss.ce"] = cross_entropy(found["decoder_logits"], inputs["answer_out"][said_before])
    return found, model


def attention_alone(spec, weights, inputs):
    about = said(spec)
    sets = [inputs[f"utility{place}"] for place in range(len(about["util_e"]))]
    sizes = tuple(about["sizes"]) if about["size_flag"] else None
    block = FactorGraphAttention(about["util_e"][0], len(sets), 0.5, sizes).eval()
    block.to(sets[0].dtype)
    ours = load_method("avsd").convert({f"atten.{key}": value for key, value in weights.items()})
    block.load_state_dict({key.removeprefix(INSIDE): value for key, value in ours.items()})
    there = [torch.ones(one.shape[:2], dtype=torch.bool) for one in sets]
    vectors, _ = block(sets, there, inputs["prior0"], torch.arange(len(sets[0])))
    return {f"attended{place}": vector for place, vector in enumerate(vectors)}, block


INSIDE = "network.attention."
WHOLE = ("mcan", "hcrn", "psac")
RUNS = {"mcan": mcan, "hcrn": hcrn, "psac": psac, "avsd": avsd}
RUNS |= {"avsd_fga": attention_alone, "avsd_fga_sized": attention_alone}
ON_WAVES = {"psac": frozenset({"fused", "log_probs", "loss.nll"})}
"""Behind the places of words, which the official code makes in single precision always."""


@pytest.mark.parametrize("name", WHOLE)
def test_it_gives_the_numbers_and_gradients_of_the_official_code(name):
    for precision in DTYPES:
        check(name, precision, RUNS[name], ON_WAVES.get(name, frozenset()))
    check_gradients(name, RUNS[name], lambda key: our_name(name, key))


OFFICIAL_SIZES = {
    "mcan": mcan_sizes,
    "hcrn": hcrn_sizes,
    "psac": psac_sizes,
    "avsd": lambda spec: {"n_words": size(spec, "input_encoder.embed.weight")},
}


@pytest.mark.parametrize("name", OFFICIAL_SIZES)
def test_parameters_are_the_official_ones_without_those_left_behind_and_stated(name):
    method, spec = load_method(name), golden(name).spec
    sizes = OFFICIAL_SIZES[name](spec)
    if "audio_stream" in dir(method.options()) and name != "avsd":
        sizes["audio_stream"] = None
    options = dataclasses.replace(method.module.PUBLISHED, compat="released", **sizes)
    with torch.device("meta"):
        network = method.build(options).network
    ours = sum(weight.numel() for weight in network.parameters())
    dead = method.dead_keys(spec["state_dict"])
    left = {key: about for key, about in spec["state_dict"].items() if key.startswith(dead)}
    assert ours == spec["parameters"] - sum(math.prod(about["shape"]) for about in left.values())
    for figure in (ours, spec["parameters"]):
        assert f"{figure:,}" in method.module.__doc__


@pytest.mark.parametrize("name", ["gru", "att_blstm"])
def test_parameters_of_methods_without_official_code_are_those_stated(name):
    method = load_method(name)
    with torch.device("meta"):
        model = method.build(method.module.PUBLISHED)
    ours = sum(weight.numel() for weight in model.parameters())
    assert f"{ours:,}" in method.module.__doc__


@pytest.mark.parametrize("name", ["hcrn", "psac"])
def test_what_no_official_output_depends_on_is_left_behind(name):
    spec = golden(name).spec
    dead = load_method(name).dead_keys(spec["state_dict"])
    unread = {key for key in spec["dead_keys"] if not key.startswith(dead)}
    last = "visual_input_unit.video_level_motion_cond.k_objects_fusion.3."  # not drawn that time
    assert all(key.startswith(last) for key in unread)


@pytest.mark.parametrize("name", ["gru", "att_blstm", "hcrn", "mcan", "psac", "avsd"])
def test_it_runs_on_the_published_streams(name):
    method = load_method(name)
    small = {"width": 32, "n_heads": 2, "frame_width": 32, "n_words": N_WORDS}
    names = {field.name for field in dataclasses.fields(method.module.Options)}
    changes = {key: value for key, value in small.items() if key in names}
    options = dataclasses.replace(method.module.PUBLISHED, **changes)
    batch = make_batch(method.streams(options), n_clips=2, n_seconds=13, lengths=[13, 8])
    with torch.no_grad():
        output = method.build(options).eval()(batch)
    assert output.logits.isfinite().all()
    if "time" in output.evidence:
        step = getattr(options, "every_nth_second", 1)
        assert (output.evidence["time"][:, ::step].sum(-1) - 1).abs().max() < 1e-5


def test_psac_as_released_refuses_more_seconds_than_it_has_places():
    method = load_method("psac")
    options = dataclasses.replace(small_options(method), compat="released", n_places=3)
    with pytest.raises(ValueError, match="3 places in time, and a clip has 4 seconds"):
        method.build(options)(make_batch(options.streams))


def test_hcrn_refuses_too_few_parts():
    with pytest.raises(ValueError, match="4 or more, got 3 and 6"):
        load_method("hcrn").options({"n_parts": 3})


@pytest.mark.parametrize(("n_parts", "n_frames"), [(4, 4), (4, 6), (5, 4), (7, 5)])
def test_hcrn_takes_any_number_of_parts_from_four_on_and_its_official_layers(n_parts, n_frames):
    method = load_method("hcrn")
    sizes = {"n_parts": n_parts, "n_frames": n_frames, "width": 8, "word_width": 4}
    options = dataclasses.replace(small_options(method), compat="released", **sizes)
    model = method.build(options).eval()
    assert model(make_batch(options.streams, n_seconds=5)).logits.isfinite().all()
    for _, n_objects in model.network.sizes:
        assert len(method.module._subset_sizes(n_objects)) == max(n_objects - 2, 1)
    official = official_layers_of_hcrn(model.network.sizes)
    ours = method.convert(dict.fromkeys(official, torch.zeros(1)))
    assert set(ours) == {key for key in model.state_dict() if ".units." in key}


def official_layers_of_hcrn(sizes):
    """Names in the official units: a layer for every size of subset, the whole set's first."""
    names = ("clip_level_motion", "clip_level_question", "video_level_motion")
    for unit, (_, n_objects) in zip((*names, "video_level_question"), sizes, strict=True):
        for kind in ("", "gate_") if "question" in unit else ("",):
            for place in range(n_objects - 1):
                for part in ("weight", "bias"):
                    yield f"visual_input_unit.{unit}_cond.{kind}k_objects_fusion.{place}.{part}"


def test_hcrn_answers_alike_in_evaluation_and_draws_subsets_when_released():
    method = load_method("hcrn")
    for compat, same in (("paper", True), ("released", False)):
        options = dataclasses.replace(small_options(method), compat=compat)
        batch = make_batch(options.streams, n_seconds=9)
        model = method.build(options).eval()
        assert torch.equal(model(batch).logits, model(batch).logits) is same


def test_a_training_batch_of_one_question_works_in_hcrn():
    method = load_method("hcrn")
    model = method.build(small_options(method)).train()
    output = model(make_batch(method.streams(model.options), n_clips=1, per_clip=1))
    assert output.logits.isfinite().all()


@pytest.mark.parametrize("precision", DTYPES)
def test_avsd_gives_the_numbers_of_the_official_code_with_history_and_decoder(precision):
    check("avsd", precision, avsd)


@pytest.mark.parametrize("name", ["avsd_fga", "avsd_fga_sized"])
def test_factor_graph_attention_gives_the_numbers_and_gradients_of_the_official_block(name):
    run = attention_alone

    def ours(key):
        (found,) = load_method("avsd").convert({f"atten.{key}": torch.zeros(1)})
        return found.removeprefix(INSIDE)

    for precision in DTYPES:
        check(name, precision, run)
    check_gradients(name, run, ours)
