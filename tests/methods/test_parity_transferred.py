"""CIGN, DCL, EEMC and RefAtomNet: the parts that are their contribution, against official numbers.

All sizes are those of the golden's own description.
"""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fixtures import load_method, make_batch, small_options
from musicavqa.features.encoders.residual import ResNet18
from musicavqa.methods.layers.affinity import affinity, cosines
from musicavqa.methods.layers.disentangling import losses
from musicavqa.methods.layers.grouping import adapt_grouping
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Batch
from parity import FIXTURES, check, check_gradients, golden, said


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


def cign(spec, weights, inputs):
    """Our CIGN on maps of its two ResNet-18: one picture and one vector of sound per clip."""
    method, about = load_method("cign"), spec["options"]
    options = dataclasses.replace(
        method.module.PUBLISHED, width=about["dim"], n_layers=about["depth_vis"],
        audio_layers=about["depth_aud"], n_classes=about["num_class"],
        assign=about["attn_assign"], positions=False,
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


def cign_modality_trans(spec, weights, inputs):
    """Tokens and classes of one sense."""
    about = spec["options"]
    module = load_method("cign").module
    options = dataclasses.replace(
        module.PUBLISHED, width=about["dim"], n_heads=about["num_heads"],
        n_classes=about["groups"], assign="hard" if about["hard_assignment"] else "soft",
    )  # fmt: skip
    sense = module.GroupedSense(options, about["depth"]).eval().to(inputs["x"].dtype)
    sense.load_state_dict(adapt_grouping(weights))
    there = torch.ones(inputs["x"].shape[:2], dtype=torch.bool)
    groups, tokens, soft = sense(inputs["x"], inputs["group_tokens"], there)
    hard = F.one_hot(soft.argmax(1), soft.shape[1]).transpose(1, 2).to(soft.dtype)
    return {
        "groups": groups, "tokens": tokens, "attn.soft": soft[:, None],
        "attn.hard": hard[:, None],
    }, sense  # fmt: skip


def dcl_transvae(spec, weights, inputs):
    """The codes of all clips; their seconds are the fixture's frames."""
    method, about = load_method("dcl"), spec["options"]
    published = dataclasses.replace(method.module.PUBLISHED, width=about["width"])
    model = method.build(dataclasses.replace(published, compat="released")).eval()
    load_part(method, model, {f"vae.{key}": tensor for key, tensor in weights.items()})
    frames = inputs["video_features"]
    model.to(frames.dtype)
    there = torch.ones(frames.shape[:2], dtype=torch.bool)
    codes = model.parts(frames, there)
    kept = losses(codes, frames, there, about["data_size"])
    found = {
        "loss.mse": kept["remade"],
        "loss.kld_f": kept["static"],
        "loss.kld_z": kept["dynamic"],
    }
    found["loss.mi50"] = model.options.apart_weight * kept["apart"]
    found["loss.total"] = torch.stack(list(found.values())).sum()
    found |= {"f_mean": codes.static_mean, "f_logvar": codes.static_log_variance}
    found |= {"z_post_mean": codes.dynamic_mean, "z_post_logvar": codes.dynamic_log_variance}
    found |= {"f_post": codes.static, "z_post": codes.dynamic, "z_prior": codes.prior_mean}
    found |= {"z_prior_mean": codes.prior_mean, "z_prior_logvar": codes.prior_log_variance}
    return found | {"recon": codes.remade, "dynamic": codes.summary}, model


def dcl_affinity(spec, weights, inputs):
    """What every node takes from those most like it."""
    about, nodes = spec["options"], inputs["features"]
    assert about["similarity"] == "cosine"
    alike = cosines(nodes, nodes)
    return {"mixed": affinity(alike, about["top_k"], about["tau"], released=True) @ nodes}, None


def eemc(weights, **changes):
    """Our EEMC as released, with the widths of these official weights."""
    method = load_method("eemc")
    options = dataclasses.replace(method.module.PUBLISHED, compat="released", **changes)
    model = method.build(options).eval().to(next(iter(weights.values())).dtype)
    left = model.load_state_dict(method.convert(weights), strict=False)
    assert left.unexpected_keys == []
    return model, set(left.missing_keys)


def eemc_ref_transformer(spec, weights, inputs):
    """Queries that take cues."""
    about = said(spec)
    weights = {f"ref_avs_attn.{key}": tensor for key, tensor in weights.items()}
    sizes = {"query_width": about["embed_dim"], "n_query_heads": about["num_heads"]}
    model, missing = eemc(weights, **sizes)
    assert not any(key.startswith("ask.") for key in missing)
    queries, source = inputs["target"].transpose(0, 1), inputs["source"]
    there = torch.ones(source.shape[:2], dtype=torch.bool)
    return {"out": model.ask[0](queries, source, there).transpose(0, 1)}, model


def eemc_fusion(spec, weights, inputs):
    """The mixture of each picture; there are more seconds of sound than pictures."""
    about = said(spec)
    audio, words = inputs["audio"], inputs["text"]
    model, missing = eemc(
        weights, audio_width=audio.shape[-1], text_width=words.shape[-1],
        visual_width=about["dim_v"], width=about["dim_v"], n_heads=about["num_heads"],
        memory=about["cache_mem_beta"], query_width=weights["prompt_proj.2.weight"].shape[0],
    )  # fmt: skip
    assert not any(key.startswith("cues.") for key in missing)
    sharp = {}
    for name in ("heard", "seen"):
        mixer = getattr(model.cues, name)
        mixer.register_forward_hook(lambda m, i, result, name=name: sharp.update({name: result}))
    maps = inputs["visual"].unflatten(0, (len(audio), -1)).flatten(3)  # (B, F, D, P)
    seconds = torch.ones(audio.shape[:2], dtype=torch.bool)
    there = torch.ones(words.shape[:2], dtype=torch.bool)
    prompts, _ = model.cues(audio, maps.transpose(2, 3), words, seconds, there)
    prompts = prompts.flatten(0, 1)
    n_words = words.shape[1]
    heard, seen = (
        load_method("eemc").module.sharpened(part[:, :-n_words], model.options.memory, True)
        for part in (sharp["heard"], sharp["seen"])
    )
    n_places = about["patches"]
    kept = torch.as_tensor(prompt_rows(spec, audio.shape[1], n_places))
    v_rows = torch.tensor([0, 1, n_places - 1, n_places, -1])
    return {
        "prompt_mean": prompts.mean(1), "prompt_rows": prompts[:, kept],
        "cues_a": heard.transpose(0, 1), "cues_v_rows": seen[:, v_rows].transpose(0, 1),
        "prompt_row_index": kept,
    }, model  # fmt: skip


def prompt_rows(spec, n_seconds, n_places):
    """Rows of the mixture that were kept: an output of the fixture itself.

    Where a second size is made, the first and the last of sound, of pictures and of words.
    """
    if "values" not in spec:
        return np.load(FIXTURES / "eemc_fusion.npz")["prompt_row_index"]
    if kept := spec["values"].get("prompt_row_index"):
        return kept["float64"]
    return 0, n_seconds - 1, n_seconds + 1, n_seconds + n_places, n_seconds + n_places + 2, -1


def refatomnet_agents(spec, weights, inputs):
    """The three streams; boxes stand where we have sound."""
    about, method = said(spec), load_method("refatomnet")
    assert about["num_heads"] == 1
    options = dataclasses.replace(
        method.module.PUBLISHED, width=about["dim"], n_agents=about["agent_num"],
        mlp_ratio=about["mlp_ratio"], compat="released",
    )  # fmt: skip
    part = method.module.ThreeStreams(options, about["boxes"], about["tokens"]).eval()
    part.load_state_dict(within(method.convert(weights), "agents."))
    part.to(inputs["text"].dtype)
    found = {}
    for name, block in (("box", part.side), ("text", part.text), ("visual", part.picture)):
        block.register_forward_hook(
            lambda m, i, result, name=name: found.update({
                f"{name}.out": result[0], f"{name}.attention": result[1][0][:, None],
                f"{name}.agents": result[1][1][:, None],
            })
        )  # fmt: skip
    total, _ = part(inputs["location"], inputs["text"], inputs["visual"].mean(1))
    return found | {"aggregate": total}, part


PARTS = (
    cign, cign_modality_trans, dcl_transvae, dcl_affinity, eemc_ref_transformer, eemc_fusion,
    refatomnet_agents,
)  # fmt: skip
RUNS = {run.__name__: run for run in PARTS}
LEARNED = [name for name in RUNS if golden(name).spec["gradient"]]


def our_name(name):
    """The official key of a tensor -> our parameter's name in what `RUNS[name]` returns."""

    def rename(key):
        if name == "cign":
            if key.startswith(("imgnet.", "audnet.")):
                return key
            return [f"model.{k}" for k in load_method("cign").convert({key: torch.zeros(3, 1)})]
        if name == "dcl_transvae":
            return next(iter(load_method("dcl").convert({f"vae.{key}": 0})))
        if name == "refatomnet_agents":
            return next(iter(load_method("refatomnet").convert({key: 0}))).removeprefix("agents.")
        if name.startswith("eemc"):
            prefix = "ref_avs_attn." if name == "eemc_ref_transformer" else ""
            return list(load_method("eemc").convert({prefix + key: torch.zeros(3)}))
        return list(adapt_grouping({key: torch.zeros(3)}))

    return rename


def once(names):
    """To fill the two whole ResNet-18 of CIGN once is enough for a quick look."""
    return [pytest.param(n, marks=pytest.mark.slow) if n == "cign" else n for n in names]


@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_numbers_of_the_official_code(name):
    check(name, "float64", RUNS[name])


@pytest.mark.parametrize("name", once(RUNS))
def test_it_gives_the_numbers_of_the_official_code_in_single_precision(name):
    check(name, "float32", RUNS[name])


@pytest.mark.parametrize("name", once(LEARNED))
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


def test_affinity_as_printed_is_a_mean_of_the_most_alike():
    nodes = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0]])
    weights = affinity(cosines(nodes, nodes), 2, temperature=2.0)
    assert (weights[0, 2], weights[1, 2]) == (0, 0)  # the two most alike of three
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    ratio = torch.exp((1 - cosines(nodes, nodes)[0, 1]) / 2)  # eq. 7
    torch.testing.assert_close(weights[0, 0] / weights[0, 1], ratio)


def test_dcl_compares_with_the_clips_of_training_whatever_else_is_asked():
    method = load_method("dcl")
    torch.manual_seed(0)
    model = method.build(small_options(method))
    batch = make_batch(method.streams(model.options))
    unknown = model.eval()(batch).logits
    model.train()(batch)
    assert int(model.n_known) == 4
    model.eval()
    together = model(batch).logits
    assert not torch.allclose(together, unknown)
    first = batch.clip_of == 0
    alone = dataclasses.replace(
        batch, keys=batch.keys[: int(first.sum())], words=batch.words[first],
        clip_of=batch.clip_of[first], seconds=batch.seconds[:1],
        streams={name: rows[:1] for name, rows in batch.streams.items()},
    )  # fmt: skip
    torch.testing.assert_close(model(alone).logits, together[first], atol=1e-5, rtol=1e-4)


def test_dcl_takes_nothing_off_where_likeness_changes_nothing():
    """eq. 9: with equal likenesses, factual and imagined logits are the same."""
    method = load_method("dcl")
    model = method.build(small_options(method)).train()
    batch = make_batch(method.streams(model.options))
    with torch.no_grad():
        model.random_deviation.zero_()
        model.random_mean.fill_(1.0)  # all random vectors are alike: the mean over all of them
        for state in model.state_dict().values():
            assert state.isfinite().all()
    model._weights = lambda alike: torch.full_like(alike, 1 / alike.shape[-1])
    assert model(batch).logits.abs().max() < 1e-6
    assert model.eval()(batch).logits.abs().max() < 1e-6


def test_codes_of_dcl_do_not_see_seconds_that_are_not_there():
    method = load_method("dcl")
    model = method.build(small_options(method)).train()
    model.parts.draws = False
    frames = torch.randn(3, 6, 32)
    there = torch.arange(6) < torch.tensor([6, 2, 4])[:, None]
    before = losses(model.parts(frames, there), frames, there, 100)
    frames[~there] = 9.0
    after = losses(model.parts(frames, there), frames, there, 100)
    torch.testing.assert_close(after, before)


def test_the_memory_of_eemc_lets_what_changes_stand_out():
    """eq. 2-3: the mean of the seconds before; the released mean has the second itself."""
    sharpened = load_method("eemc").module.sharpened
    same = torch.ones(1, 4, 2)
    torch.testing.assert_close(sharpened(same, 1.0)[0, :, 0], torch.tensor([2.0, 1, 1, 1]))
    assert torch.equal(sharpened(same, 1.0, counts_itself=True), same)
    jump = torch.tensor([1.0, 1.0, 3.0])[None, :, None]
    assert sharpened(jump, 1.0)[0, 2, 0] == 5  # 2 x 3 - 1
    torch.testing.assert_close(sharpened(jump, 1.0, True)[0, 2, 0], torch.tensor(6 - 5 / 3))


def test_the_released_eemc_answers_and_can_leave_its_mixers_untrained():
    method = load_method("eemc")
    options = dataclasses.replace(small_options(method), compat="released", train_mixers=False)
    model = method.build(options)
    batch = make_batch(method.streams(options))
    model(batch).logits.sum().backward()
    without = {key.split(".")[1] for key, p in model.named_parameters() if p.grad is None}
    assert without == {"heard", "seen", "mixture"}


def test_agents_as_printed_are_weighed_along_tokens_and_along_agents():
    """eq. 9 for one map; as released, weighing along agents changes nothing."""
    module = load_method("refatomnet").module
    own, other = torch.rand(2, 3, 5), torch.randn(2, 3, 5)
    printed = module.AgentAttention(8, 3, released=False)._weighed(own, other)
    wanted = own * (1 + other.softmax(-1) + other.softmax(1)) / 3
    torch.testing.assert_close(printed, wanted)
    released = module.AgentAttention(8, 3, released=True)._weighed(own, other)
    torch.testing.assert_close(released, own * (2 + other.softmax(-1)) / 3)


def test_refatomnet_refuses_a_picture_without_places():
    method = load_method("refatomnet")
    options = method.options({"visual_stream": "visual_resnet18", "visual_width": 512})
    batch = make_batch(method.streams(options))
    with pytest.raises(ValueError, match="has 1 places"):
        method.build(options)(batch)


@pytest.mark.parametrize("name", ["amuse", "avsiam", "dcl", "refatomnet"])
def test_as_released_it_learns_and_answers_without_padded_seconds(name):
    method = load_method(name)
    options = dataclasses.replace(small_options(method), compat="released")
    torch.manual_seed(0)
    model = method.build(options).train()
    batch = make_batch(method.streams(options), lengths=[4, 2, 3, 2])
    output = model(batch)
    torch.stack([output.logits.square().mean(), *output.losses.values()]).sum().backward()
    unlearned = [k for k, p in model.named_parameters() if p.grad is None]
    # RefAtomNet's side stream counts as it came in there, so what its agents give back is lost
    assert all(key.startswith(("pretraining.", "agents.side.")) for key in unlearned)
    before = model.eval()(batch).logits
    for stream in batch.streams.values():
        stream[~batch.seconds] = 50.0
    torch.testing.assert_close(model(batch).logits, before, atol=1e-5, rtol=1e-4)
