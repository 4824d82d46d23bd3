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
from musicavqa.methods.layers.factor_graph_attention import FactorGraphAttention
from parity import DTYPES, check, check_gradients, golden


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


def mcan(weights, inputs):
    regions = inputs["img_feat"]
    model, network = released("mcan", weights, regions.dtype)
    flat = {}
    for name, part in (("flat_img", network.pool_tokens), ("flat_lang", network.pool_words)):
        part.register_forward_hook(lambda _, __, found, name=name: flat.update({name: found[0]}))
    tokens, there = network.picture(regions), (regions != 0).any(-1)
    logits, *_ = network(inputs["ques_ix"], tokens, there, torch.arange(len(tokens)))
    loss = binary_cross_entropy_with_logits(logits, inputs["target"], reduction="sum")
    return {"logits": logits, "scores": logits.sigmoid(), "loss.bce_sum": loss, **flat}, model


HCRN_CHOICES = [
    [[2, 3, 15, 4], [0, 3]],
    [[2, 14, 15, 1], [2, 5]],
    [[4, 3, 4, 7], [3, 3]],
    [[5, 10, 5, 14], [3, 5]],
    [[2, 1, 13, 4], [1, 3]],
    [[2, 1, 2], [0]],
]
"""Which subset the official run drew: of five parts the motion and the question unit, size by size,
then both units over the parts; counted in the order of itertools.combinations."""


def shares(n_objects, size, choices):
    """Shares (G, n) of the objects in the chosen subset of each group."""
    subsets = list(combinations(range(n_objects), size))
    rows = torch.zeros(len(choices), n_objects, dtype=torch.float64)
    for row, choice in zip(rows, choices, strict=True):
        row[list(subsets[choice])] = 1 / size
    return rows


def official_picks():
    *parts, whole = HCRN_CHOICES
    drawn = [list(zip(*(part[unit] for part in parts), strict=True)) for unit in (0, 1)]
    drawn += [[(choice,) for choice in unit] for unit in whole]
    return tuple(
        [shares(n, n - 1 - place, choices) for place, choices in enumerate(unit)]
        for n, unit in zip((6, 4, 5, 3), drawn, strict=True)
    )


def hcrn(weights, inputs):
    appearance, words = inputs["appearance"], inputs["question"]
    model, network = released("hcrn", weights, appearance.dtype, n_frames=6)
    rows, picks = torch.arange(len(words)), official_picks()
    question = network.read(words)
    tokens = network.relate(question, appearance, inputs["motion"], rows, picks)
    logits = network(words, appearance, inputs["motion"], rows, picks)
    loss = cross_entropy(logits, inputs["target"])
    found = {"out": logits, "question": question, "visual_tokens": tokens, "loss.ce": loss}
    return found | {"aggregated": network.pooling(question, tokens)}, model


PSAC_SIZES = {"visual_width": 2048, "frame_width": 2048, "n_places": 36}
PSAC_SIZES |= {"n_words": 93, "n_letters": 40}


def psac(weights, inputs):
    video, words = inputs["video"], inputs["words"]
    model, network = released("psac", weights, video.dtype, **PSAC_SIZES)
    kept = {}
    network.frames.register_forward_hook(lambda _, __, found: kept.update(frames=found))
    network.classifier.register_forward_hook(lambda _, given, __: kept.update(fused=given[0]))
    valid = torch.ones(video.shape[:2], dtype=torch.bool)
    spelled = network.question.spell(inputs["chars"])
    rows, places = torch.arange(len(words)), torch.arange(36)
    logits, _ = network(video, places, valid, words, spelled, rows)
    ends = kept["frames"][:, [0, 35]]
    found = {"log_probs": logits.log_softmax(-1), "fused": kept["fused"]}
    found["loss.nll"] = cross_entropy(logits, inputs["target"])
    return found | {"vid_encoder_frames_0_35": ends}, model


def avsd(weights, inputs):
    """Up to the state from which the official decoder starts."""
    method, dtype = load_method("avsd"), inputs["audio"].dtype
    options = dataclasses.replace(method.module.PUBLISHED, n_words=200, compat="released")
    model = method.build(options).eval().to(dtype)
    missing, unexpected = model.load_state_dict(method.convert(weights), strict=False)
    assert {key.split(".")[0] for key in missing} == {"answer"}
    assert not unexpected
    pictures, audio = inputs["visual"].transpose(0, 1), inputs["audio"].transpose(0, 1)
    spoken = torch.arange(10) < inputs["question_len"][:, None]
    valid = torch.ones(audio.shape[:2], dtype=torch.bool)
    vectors, (hidden, cell), _ = model.network(
        inputs["question"] * spoken, pictures, audio, valid, torch.arange(len(audio))
    )
    names = ("fga.question", *(f"fga.visual{i}" for i in range(4)), "fga.audio")
    found = dict(zip(names, vectors, strict=True))
    return found | {"av_hidden": hidden, "av_cell": cell}, model


def attention_alone(weights, inputs, sizes=None):
    sets = [inputs[f"utility{place}"] for place in range(4)]
    block = FactorGraphAttention(32, 4, 0.5, sizes).eval().to(sets[0].dtype)
    ours = load_method("avsd").convert({f"atten.{key}": value for key, value in weights.items()})
    block.load_state_dict({key.removeprefix(INSIDE): value for key, value in ours.items()})
    there = [torch.ones(one.shape[:2], dtype=torch.bool) for one in sets]
    vectors, _ = block(sets, there, inputs["prior0"], torch.arange(len(sets[0])))
    return {f"attended{place}": vector for place, vector in enumerate(vectors)}, block


def attention_alone_sized(weights, inputs):
    return attention_alone(weights, inputs, sizes=(14, 9, 9, 10))


INSIDE = "network.attention."
RUNS = {"mcan": mcan, "hcrn": hcrn, "psac": psac}
ON_WAVES = {"psac": frozenset({"fused", "log_probs", "loss.nll"})}
"""Behind the places of words, which the official code makes in single precision always."""


@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_numbers_and_gradients_of_the_official_code(name):
    for precision in DTYPES:
        check(name, precision, RUNS[name], ON_WAVES.get(name, frozenset()))
    check_gradients(name, RUNS[name], lambda key: our_name(name, key))


OFFICIAL_SIZES = {
    "mcan": {"audio_stream": None},
    "hcrn": {"audio_stream": None, "n_frames": 6},
    "psac": {"audio_stream": None, **PSAC_SIZES},
    "avsd": {"n_words": 200},
}


@pytest.mark.parametrize("name", OFFICIAL_SIZES)
def test_parameters_are_the_official_ones_without_those_left_behind_and_stated(name):
    method, spec = load_method(name), golden(name).spec
    options = dataclasses.replace(
        method.module.PUBLISHED, compat="released", **OFFICIAL_SIZES[name]
    )
    with torch.device("meta"):
        network = method.build(options).network
    ours = sum(weight.numel() for weight in network.parameters())
    dead = getattr(method.module, "DEAD_KEYS", ())
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
    dead, spec = load_method(name).module.DEAD_KEYS, golden(name).spec
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
    with pytest.raises(ValueError, match="5 or more, got 4 and 6"):
        load_method("hcrn").options({"n_parts": 4})


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
def test_avsd_gives_the_numbers_of_the_official_code_up_to_its_decoder(precision):
    check("avsd", precision, avsd)


@pytest.mark.parametrize(
    ("name", "run"),
    [("avsd_fga", attention_alone), ("avsd_fga_sized", attention_alone_sized)],
)
def test_factor_graph_attention_gives_the_numbers_and_gradients_of_the_official_block(name, run):
    def ours(key):
        (found,) = load_method("avsd").convert({f"atten.{key}": torch.zeros(1)})
        return found.removeprefix(INSIDE)

    for precision in DTYPES:
        check(name, precision, run)
    check_gradients(name, run, ours)
