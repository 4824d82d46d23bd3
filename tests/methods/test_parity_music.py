"""Audio question answering, TJSTG, LAViT, SaSR-Net, AV-Master against their official numbers."""

import dataclasses

import pytest
import torch

from fixtures import load_method, make_batch, small_options
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Batch
from musicavqa.training.loop import loss_parts
from parity import DTYPES, avst_sizes, check, check_gradients, golden, numbered, said, size


def loaded(name, options, weights):
    """Our model in the precision of these official weights, evaluation mode."""
    method = load_method(name)
    model = method.build(options).eval().to(next(iter(weights.values())).dtype)
    model.load_state_dict(method.convert(weights), strict=True)
    return model


def batch_of(inputs, streams, negatives=None, texts=None):
    """One question per clip; every second is there."""
    first = next(iter(streams.values()))
    return Batch(
        keys=[str(row) for row in range(len(first))],
        streams=streams,
        seconds=torch.ones(first.shape[:2], dtype=torch.bool),
        clip_of=torch.arange(len(first)),
        words=inputs.get("question"),
        answers=inputs["target"],
        negatives=negatives or {},
        texts=texts or {},
    )


def daqa(name):
    """Runner of FCNLSTM or CONVLSTM; all frames of the fixture are one long second."""

    def run(spec, weights, inputs):
        published = load_method(name).module.PUBLISHED
        model = loaded(name, dataclasses.replace(published, **daqa_sizes(name, spec)), weights)
        maps = []
        model.mel.register_forward_hook(lambda module, given, result: maps.append(result[0]))
        mel = inputs["mel"][:, None, None]
        batch = batch_of(inputs, {"audio_logmel_10ms": mel})
        output = model(batch)
        found = {"logits": output.logits, "conv_map_mean": maps[0].mean((2, 3))}
        found["loss.ce"] = loss_parts(output, batch)["answer"]
        return found, model

    return run


def daqa_sizes(name, spec):
    about = said(spec)
    names = {"n_words": "vocab_dim", "word_width": "embedding_dim", "width": "lstm_hidden_dim_q"}
    names |= {"n_filters": "num_conv_filts", "n_blocks": "num_conv_layers"}
    names["hidden"] = "output_hidden_dim"
    if name == "fcnlstm":
        names["sound_width"] = "fcn_output_dim"
        assert about["aggregate"] == "mean", "ours has no other"
        assert about["fcn_coeff_dim"] == about["fcn_temp_dim"], "our grid is a square"
    else:
        names["n_bands"] = "input_dim"
    sizes = {ours: about[theirs] for ours, theirs in names.items()}
    if n_attentions := about.get("num_stacked_att", 0):
        sizes |= {"n_attentions": n_attentions, "attention_width": about["stacked_att_dim"]}
        sizes |= {"grid": about["fcn_coeff_dim"]} if name == "fcnlstm" else {}
    return sizes


def tjstg(spec, weights, inputs):
    """Our TJSTG as released; target words of one question meet maps of another, as there."""
    options = dataclasses.replace(
        load_method("tjstg").module.PUBLISHED, every_nth_second=1, compat="released",
        **avst_sizes(spec, inputs),
    )  # fmt: skip
    model = loaded("tjstg", options, weights)
    streams = {"audio_vggish": inputs["audio"], "visual_resnet18_map": inputs["visual_posi"]}
    negatives = {"visual_resnet18_map": inputs["visual_nega"]}
    batch = batch_of(inputs, streams, negatives)
    pairs, attention = [], []
    model.match.register_forward_hook(lambda module, given, result: pairs.append(result))
    model.when.register_forward_hook(lambda module, given, result: attention.append(result[1]))
    output = model(batch)
    losses = loss_parts(output, batch)
    found = {"out_qa": output.logits, "out_match_posi": pairs[0], "out_match_nega": pairs[1]}
    found["weights_a"], found["weights_b"] = attention[0][:, 1::2], attention[0][:, ::2]
    found["loss.ce"] = losses["answer"]
    found["loss.match"] = losses["match"] / options.match_weight
    return found, model


def sasr_net(spec, weights, inputs):
    """Our SaSR-Net as released; its unused ResNet is missing in the golden.

    The golden's grounding map turns out to be that of the negative pictures, the second call.
    """
    options = dataclasses.replace(
        load_method("sasr_net").module.PUBLISHED, every_nth_second=1, compat="released",
        n_layers=numbered(spec, "sasr.audio_cug.blocks."), **avst_sizes(spec, inputs),
    )  # fmt: skip
    model = loaded("sasr_net", options, weights)
    streams = {"audio_vggish": inputs["audio"], "visual_resnet18_map": inputs["visual_posi"]}
    negatives = {"visual_resnet18_map": inputs["visual_nega"]}
    batch = batch_of(inputs, streams, negatives)
    pairs, maps, names = [], [], []
    model.match.register_forward_hook(lambda module, given, result: pairs.append(result))
    model.where.register_forward_hook(lambda module, given, result: maps.append(result[1]))
    model.name.register_forward_hook(lambda module, given, result: names.append(result))
    output = model(batch)
    losses = loss_parts(output, batch)
    found = {"out_qa": output.logits, "out_match_posi": pairs[0], "out_match_nega": pairs[1]}
    found |= {"prob_audio": output.evidence["heard"], "prob_video": output.evidence["seen"]}
    found |= {"cls": names[0], "grounding_map": maps[1].flatten(0, 1)[:, None]}
    found["loss.ce"] = losses["answer"]
    found["loss.tokens"] = losses["tokens"] / options.source_weight
    return found, model


def av_master(spec, weights, inputs):
    """Our AV-Master as released."""
    sizes = {"audio_width": inputs["audio"].shape[-1], "visual_width": inputs["visual"].shape[-1]}
    sizes |= {"sentence_width": inputs["question"].shape[-1], "width": said(spec)["hidden_size"]}
    sizes["words_width"] = inputs["qst_word"].shape[-1]
    sizes["focus_width"] = size(spec, FOCUS)
    options = dataclasses.replace(
        load_method("av_master").module.PUBLISHED, compat="released", **sizes
    )
    model = loaded("av_master", options, weights)
    streams = {"audio_vggish": inputs["audio"], "visual_clip_l14_336": inputs["visual"]}
    negatives = {"audio_vggish": inputs["neg_audio"], "visual_clip_l14_336": inputs["neg_visual"]}
    texts = {"text_clip_l14": inputs["question"][:, 0]}
    texts["text_clip_l14_words"] = inputs["qst_word"][:, 0]
    batch = batch_of(inputs, streams, negatives, texts)
    focus, paths, heads = [], {"hear": [], "see": []}, []
    model.focus.register_forward_hook(lambda module, given, result: focus.append(result))
    for name, kept in paths.items():
        getattr(model, name).register_forward_hook(
            lambda module, given, result, kept=kept: kept.append(result)
        )
    for head in (model.from_all, model.from_sound, model.from_picture):
        head.register_forward_hook(lambda module, given, result: heads.append(result[0]))
    output = model(batch)
    found = {f"answer{number}": logits for number, logits in enumerate(heads, 1)}
    found |= {"focus_audio": focus[0], "focus_visual": focus[1]}
    found |= {"ap_mean": paths["hear"][0].mean(1), "vp_mean": paths["see"][0].mean(1)}
    found["contrastive"] = output.losses["contrast"]
    for number, logits in enumerate(heads, 1):
        found[f"loss.ce{number}"] = torch.nn.functional.cross_entropy(logits, inputs["target"])
    found["loss.total"] = output.losses["heads"] + output.losses["contrast"]
    return found, model


FOCUS = "AugInformation.focus_capture.encoder.layers.0.linear1.weight"


def lavit_sizes(spec, inputs):
    about = said(spec)
    names = {
        "width": "hidden_size", "hidden": "intermediate_size", "n_heads": "num_attention_heads",
        "language_layers": "l_layers", "audio_layers": "a_layers", "visual_layers": "v_layers",
        "cross_layers": "x_layers", "audio_width": "audio_feat_dim",
        "visual_width": "visual_feat_dim",
    }  # fmt: skip
    return {ours: about[theirs] for ours, theirs in names.items()} | {
        "stereo": about["use_stereo_audio"],
        "n_words": about["vocab_size"] - 1,
        "n_positions": size(spec, "bert.embeddings.position_embeddings.weight"),
        "audio_coordinates": inputs["audio_coord"].shape[-1],
        "visual_coordinates": inputs["visual_coord"].shape[-1],
    }


def lavit(spec, weights, inputs):
    """Our LAViT as released, given the tokens themselves: official ones have other coordinates."""
    sizes = lavit_sizes(spec, inputs)
    options = load_method("lavit").options({"compat": "released", **sizes})
    model = loaded("lavit", options, weights)
    pooled = {}
    for name, layer in model.pool.items():
        layer.register_forward_hook(
            lambda module, given, result, name=name: pooled.update({name: result.tanh()})
        )
    sound = inputs["audio_feat"]
    channels = sound.unbind(1) if options.stereo else (sound,)
    audio = model.audio_in(*channels, inputs["audio_coord"])
    visual = model.visual_in(inputs["visual_feat"], inputs["visual_coord"])
    logits, _ = model.read(
        (inputs["input_ids"], inputs["mask"] > 0),
        (audio, torch.ones(audio.shape[:2], dtype=torch.bool)),
        (visual, torch.ones(visual.shape[:2], dtype=torch.bool)),
        torch.arange(len(audio)),
    )
    found = {"qa": logits} | {f"pooled.{name}": vector for name, vector in pooled.items()}
    found["loss.ce"] = torch.nn.functional.cross_entropy(logits, inputs["target"])
    return found, model


RUNS = {
    "fcnlstm": ("fcnlstm", daqa("fcnlstm")),
    "fcnlstm_nsa": ("fcnlstm", daqa("fcnlstm")),
    "convlstm": ("convlstm", daqa("convlstm")),
    "convlstm_nsa": ("convlstm", daqa("convlstm")),
    "tjstg": ("tjstg", tjstg),
    "sasr_net": ("sasr_net", sasr_net),
    "av_master": ("av_master", av_master),
    "lavit": ("lavit", lavit),
}
"""Name of the golden -> our method and how it is run."""


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_numbers_of_the_official_code(name, precision):
    check(name, precision, RUNS[name][1])


@pytest.mark.parametrize("name", RUNS)
def test_it_gives_the_gradients_of_the_official_code(name):
    method, run = RUNS[name]
    convert = load_method(method).convert
    check_gradients(name, run, lambda key: next(iter(convert({key: torch.zeros(1)}))))


TRIMMED = {"tjstg": 512 * 513, "av_master": 2 * 768 * 769, "lavit": 2 * 96}
"""Official numbers that `adapt_official` cuts off: values of an attention that only chooses,
queries and keys of one that has nothing to choose, token types (one is added elsewhere)."""


@pytest.mark.parametrize("name", RUNS)
def test_the_model_has_all_living_official_parameters_and_no_more(name):
    method, run = RUNS[name]
    module, spec = load_method(method).module, golden(name).spec
    weights, inputs = golden(name).tensors(torch.float32)
    with torch.no_grad():
        _, model = run(spec, weights, inputs)
    left_behind = {key for key in weights if key.startswith(module.DEAD_KEYS)}
    counted = left_behind - set(spec["tied_keys"])
    dead = sum(weights[key].numel() for key in counted) + TRIMMED.get(name, 0)
    ours = sum(parameter.numel() for parameter in model.parameters())
    assert left_behind >= set(spec["dead_keys"])
    assert ours == spec["parameters"] - dead
    if name not in REDUCED:
        assert f"{ours:,}".replace(",", " ") in module.__doc__


REDUCED = ("lavit",)
"""Goldens that are smaller than the official configuration."""


def test_lavit_of_official_size_has_the_parameters_its_file_states():
    method = load_method("lavit")
    options = dataclasses.replace(
        method.module.PUBLISHED, compat="released", stereo=True, audio_width=2048,
        visual_width=2048, visual_coordinates=6, n_words=30521,
    )  # fmt: skip
    with torch.device("meta"):
        model = method.build(options)
    ours = sum(parameter.numel() for parameter in model.parameters())
    assert f"{ours:,}".replace(",", " ") in method.module.__doc__


MUSIC = sorted({method for method, _ in RUNS.values()})


@pytest.mark.parametrize("name", MUSIC)
def test_it_answers_from_its_published_streams(name):
    method = load_method(name)
    small = {field: getattr(small_options(method), field) for field in ("width", "n_heads")
             if hasattr(method.options(), field)}  # fmt: skip
    options = dataclasses.replace(method.module.PUBLISHED, **small)
    streams = method.streams(options)
    batch = make_batch(streams, n_clips=2, n_seconds=8, texts=method.texts(options))
    batch.words = batch.words.clamp(max=92)
    with torch.no_grad():
        output = method.build(options).eval()(batch)
    assert output.logits.shape == (6, 42)
    assert output.logits.isfinite().all()
    for shares in (output.evidence[kind] for kind in {"time", "space"} & set(output.evidence)):
        torch.testing.assert_close(shares.sum(-1), torch.ones(6), atol=1e-5, rtol=0)


def test_templates_of_av_master_are_equal_as_released_and_differ_by_default():
    for compat, equal in (("released", True), ("paper", False)):
        options = dataclasses.replace(small_options("av_master"), compat=compat)
        torch.manual_seed(0)
        model = load_method("av_master").build(options).eval()
        seconds, valid = torch.randn(2, 3, 32), torch.ones(2, 3, dtype=torch.bool)
        with torch.no_grad():
            kept = model.focus(seconds, valid, model.focus_seen)
        assert torch.allclose(kept, kept[:, :1].expand_as(kept), atol=1e-5) == equal


def test_the_choice_of_a_target_word_learns_by_default_only():
    for compat in ("paper", "released"):
        options = dataclasses.replace(small_options("tjstg"), compat=compat)
        torch.manual_seed(0)
        question = load_method("tjstg").build(options).question
        _, target = question(torch.randint(2, 50, (3, 14)))
        target.square().sum().backward()
        assert (question.look.weight.grad is not None) == (compat == "paper")


def test_the_grid_of_fcnlstm_points_at_the_seconds_it_attends_to():
    seconds_of = load_method("fcnlstm").module._seconds_of
    seconds = torch.tensor([[True] * 8, [True] * 2 + [False] * 6])
    columns = torch.tensor([[0.1, 0.2, 0.3, 0.4]] * 2)
    wanted = [[0.05, 0.05, 0.1, 0.1, 0.15, 0.15, 0.2, 0.2], [0.3, 0.7] + [0.0] * 6]
    torch.testing.assert_close(seconds_of(columns, seconds), torch.tensor(wanted))


def test_instruments_of_a_rendered_clip_teach_sasr_net():
    method = load_method("sasr_net")
    model = method.build(small_options(method))
    batch = make_batch(method.streams(), n_clips=2)
    heard = torch.zeros(2, 22)
    heard[0, INSTRUMENTS.index("cello")] = 2.0
    batch.truth = {"heard": heard}
    wanted = torch.zeros(22)
    wanted[method.module.SOURCES.index("cello")] = 1.0
    sure = torch.where(wanted > 0, 30.0, -30.0)
    scores = torch.stack([sure, torch.full((22,), -30.0)])
    losses = model._name_sources(batch, {"heard": scores, "seen": scores})
    assert set(losses) == {"tokens", "heard"}
    assert losses["heard"] < 1e-6
