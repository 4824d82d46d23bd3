"""What each of our own language models brought, held against its equations."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional

from llm.own_models import adapter, material, network, request
from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Looking, Prompt, middles
from musicavqa.llm.layers.frames_and_speech import Ear, Sizes, four_as_one
from musicavqa.llm.models import build_model, cat, make_options, maven, meerkat, model_file, valor
from musicavqa.llm.models.onellm import Projection
from musicavqa.llm.models.videollama2 import Connector, Residual


def test_the_question_does_not_see_the_answer_and_the_answer_sees_what_came_before():
    model = network("vast")
    ids = torch.tensor([[1, 9, 2, 0, 1, 7, 8, 2, 0]])  # question of 4 with a pad, answer of 5
    seen = model._allowed(ids, 4)[0, 0]
    assert seen[:4].tolist() == [[True, True, True, False] + [False] * 5] * 4
    assert seen[6].tolist() == [True, True, True, False, True, True, True, False, False]


def test_a_mask_reads_nothing_of_the_words_behind_it():
    model = network("valor")
    clip = adapter("valor").clip(request(material(0)))
    attended = model.attended(clip)
    ids = torch.tensor([[1, 9, 2, 1, 3, 8, 2]])
    other = ids.clone()
    other[0, 5] = 30
    logits = [model._read(x, model._allowed(x, 3), attended) for x in (ids, other)]
    assert torch.allclose(logits[0][:, :5], logits[1][:, :5], atol=1e-6)
    assert not torch.allclose(logits[0][:, 6], logits[1][:, 6], atol=1e-3)


def test_labels_stand_only_where_words_of_the_answer_are_masked():
    model = network("valor")
    torch.manual_seed(0)
    question = model._questions([Prompt((), (20, 21))] * 400)
    ids, labels, _ = model._masked(question, [[30, 31, 32]] * 400)
    answer, said = ids[:, model.words :], labels[:, model.words :]
    assert (labels[:, : model.words] == -100).all()
    assert (said[:, 0] == -100).all()
    chosen = said[:, 1:] != -100
    assert 0.97 < chosen.float().mean() < 1
    assert 0.75 < (answer[:, 1:][chosen] == model.marks.mask).float().mean() < 0.85
    assert said[:, 1:][chosen].unique().tolist() == [2, 30, 31, 32]


def test_fine_likeness_follows_its_equation():
    draw = torch.Generator().manual_seed(0)
    words, media = (
        functional.normalize(torch.randn(2, n, 8, generator=draw), dim=-1) for n in (3, 4)
    )
    w, v = (torch.rand(2, n, generator=draw).softmax(-1) for n in (3, 4))
    found = valor.fine_likeness(words, media, w, v, torch.ones(2, 3, dtype=torch.bool))
    for b in range(2):
        for c in range(2):
            pairs = [[float(words[b, i] @ media[c, j]) for j in range(4)] for i in range(3)]
            left = sum(float(w[b, i]) * max(pairs[i]) for i in range(3))
            right = sum(float(v[c, j]) * max(pairs[i][j] for i in range(3)) for j in range(4))
            assert float(found[b, c]) == pytest.approx((left + right) / 2, abs=1e-5)


def test_captions_are_aligned_by_learning():
    model = adapter("valor")
    clips = [model.clip(request(material(n))) for n in range(4)]
    joined = ClipTensors(
        *(torch.cat(x) for x in zip(*(vars(c).values() for c in clips), strict=True))
    )
    captions = [[10 + n, 50 + n] for n in range(4)]
    optimizer = torch.optim.AdamW(model.network.parameters(), 1e-2)
    losses = []
    for _ in range(8):
        loss = model.network.alignment(joined, captions)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(("padding", "times", "sides"), [(0, 8, 13), (1, 9, 14)])
def test_the_connector_gives_the_published_number_of_tokens(padding, times, sides):
    with torch.device("meta"):
        connector = Connector(1152, 64, 1, padding)
        tokens = connector(torch.empty(1, 16, 27 * 27, 1152))
    assert tokens.shape == (1, times * sides * sides, 64)


def test_the_residual_block_is_that_of_regnet():
    torch.manual_seed(0)
    block = Residual(8, 8).eval()
    maps = torch.randn(2, 8, 5, 5)

    def normed(x):
        return functional.layer_norm(x.permute(0, 2, 3, 1), (8,)).permute(0, 3, 1, 2)

    x = functional.silu(normed(functional.conv2d(maps, block.conv1.weight)))
    alone = [
        functional.conv2d(x[:, c : c + 1], block.conv2.weight[c : c + 1], padding=1)
        for c in range(8)
    ]
    x = functional.silu(normed(torch.cat(alone, 1)))
    gate = functional.silu(block.squeeze(x.mean((2, 3), keepdim=True)))
    x = x * torch.sigmoid(block.excite(gate))
    wanted = functional.silu(normed(functional.conv2d(x, block.conv3.weight)) + maps)
    assert torch.allclose(block(maps), wanted, atol=1e-5)


def test_eight_stretches_of_sound_are_1496_tokens():
    wanted = model_file("videollama2").wanted(make_options("videollama2"))
    spectra = wanted.listening(torch.zeros(16 * 16000).numpy())
    assert spectra.shape == (1, 1, 2998, 128)
    assert (2998 // 16) * (128 // 16) == 1496
    assert torch.isfinite(spectra).all()


def test_closed_gates_leave_the_language_model_as_it_is():
    model = network("audio_flamingo")
    plain = copy.deepcopy(model.language)
    decoder = plain.model.decoder
    decoder.layers = torch.nn.ModuleList(gated.block for gated in decoder.layers)
    words = model.embed(torch.tensor([[5, 6, 7]]))
    model.media(adapter("audio_flamingo").clip(request(material(0))), [])
    for gated in model.language.model.decoder.layers:
        gated.gate.data.zero_()
        gated.gate_inner.data.zero_()
    closed = model.language(inputs_embeds=words).logits
    assert torch.allclose(closed, plain(inputs_embeds=words).logits, atol=1e-6)
    model.language.model.decoder.layers[0].gate.data.fill_(0.5)
    assert not torch.allclose(model.language(inputs_embeds=words).logits, closed, atol=1e-3)


def test_a_gate_follows_its_equation():
    model = network("audio_flamingo")
    gated = model.language.model.decoder.layers[0]
    model.media(adapter("audio_flamingo").clip(request(material(0))), [])
    gated.block, windows = torch.nn.Identity(), model.heard.windows
    y = torch.randn(1, 4, model.width)
    query = gated.query(gated.norm(y)).view(1, 4, 2, 16).transpose(1, 2)
    key, value = (
        x.view(1, -1, 2, 16).transpose(1, 2) for x in gated.key_value(windows).chunk(2, -1)
    )
    attention = (query @ key.transpose(2, 3) / 4).softmax(-1) @ value
    z = y + torch.tanh(gated.gate) * gated.out(attention.transpose(1, 2).reshape(1, 4, 32))
    wanted = z + torch.tanh(gated.gate_inner) * gated.forth(gated.norm_inner(z))
    assert torch.allclose(gated(y), wanted, atol=1e-5)


def test_audio_flamingo_hears_33_seconds_and_a_quarter():
    ear = model_file("audio_flamingo").wanted(make_options("audio_flamingo")).listening
    assert ear.heard_s(torch.zeros(60 * 16000).numpy()) == pytest.approx(33.25, abs=0.03)


@pytest.mark.parametrize("seconds", [1.0, 8.0])
def test_chatbridge_speaks_as_many_words_for_any_length_and_shares_its_reader(seconds):
    model = adapter("chatbridge")
    clip = model.clip(request(material(0, seconds=seconds)))
    found = model.network.media(clip, [])
    assert {name: x.shape[1] for name, x in found.items()} == {"pictures": 3, "sound": 3}
    sum(x.sum() for x in model.network.media(clip.without("pictures"), []).values()).backward()
    assert model.network.bridge.queries["pictures"].grad is None
    assert any(weight.grad is not None for weight in model.network.bridge.reader.parameters())


def test_the_projection_mixes_experts_by_shares_that_sum_to_one():
    options = model_file("onellm").TINY
    torch.manual_seed(0)
    project = Projection(options, 32, ("sound",)).eval()
    read = torch.randn(2, 5, 32)
    x = torch.cat([project.tokens["sound"].expand(2, -1, -1), read], 1)
    shares = project.shares(x, "sound")
    assert torch.allclose(shares.sum(-1), torch.ones(2, 8))
    outputs = [expert(x) for expert in project.experts]
    assert not torch.allclose(outputs[0], outputs[1], atol=1e-2)
    wanted = shares[..., :1] * outputs[0] + shares[..., 1:] * outputs[1]
    assert torch.allclose(project(read, "sound"), wanted[:, :3], atol=1e-5)


@pytest.mark.parametrize("compat", ["paper", "released"])
def test_clues_are_as_many_as_published_and_hear_the_question(compat):
    model = adapter("cat", compat=compat)
    clip = model.clip(request(material(0)))
    words = [model.network.embed(torch.tensor(ids)) for ids in ([9, 8, 7], [30, 31])]
    twice = ClipTensors(clip.pictures.repeat(2, 1, 1, 1, 1), clip.sound.repeat(2, 1, 1, 1))
    found = model.network.media(twice, words)
    counts = {name: x.shape[1] for name, x in found.items()}
    clues = {"clues": 4} if compat == "paper" else {"clues of pictures": 3, "clues of sound": 3}
    assert counts == {"pictures": 1, "sound": 1} | clues
    for name in clues:
        assert not torch.allclose(found[name][0], found[name][1], atol=1e-4)
        alone = model.network.media(clip, words[1:])[name]  # padded words count nothing
        assert torch.allclose(found[name][1], alone[0], atol=1e-5)
    assert torch.allclose(found["pictures"][0], found["pictures"][1])


def test_preferences_follow_their_equation_and_are_learned():
    model = adapter("cat")
    clip, prompt = model.clip(request(material(0))), model.prompt(request(material(0)))
    pairs = cat.Preferences(clip, [prompt], [[30, 31]], [[40]])
    reference = network("cat", seed=1)
    with torch.no_grad():
        found = cat.preference_loss(model.network, reference, pairs, beta=0.3, share=0.2)
        of = {
            (who, which): float(cat.sequence_likelihood(net, pairs, which))
            for who, net in (("model", model.network), ("reference", reference))
            for which in ("wanted", "evading")
        }
    margin = of["model", "wanted"] - of["model", "evading"]
    margin -= of["reference", "wanted"] - of["reference", "evading"]
    wanted = -functional.logsigmoid(torch.tensor(0.3 * margin)) - 0.2 * of["model", "wanted"]
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)
    shared = model.network.likelihoods(clip, prompt, [[30, 31], [40]])
    assert shared.tolist() == pytest.approx(
        [of["model", "wanted"], of["model", "evading"]], rel=1e-4
    )


def test_a_plan_of_transport_has_equal_shares_and_is_the_cheapest():
    torch.manual_seed(0)
    cost = torch.rand(1, 5, 5)
    plan = meerkat.transport_plan(cost, 500)
    assert torch.allclose(plan.sum(1), torch.full((1, 5), 0.2), atol=1e-5)
    assert torch.allclose(plan.sum(2), torch.full((1, 5), 0.2), atol=1e-3)
    from itertools import permutations

    rows = cost[0].tolist()
    cheapest = min(sum(rows[i][p[i]] for i in range(5)) / 5 for p in permutations(range(5)))
    assert float((plan * cost).sum()) == pytest.approx(cheapest, abs=5e-3)


def test_tokens_that_lie_alike_cost_no_transport():
    same = torch.eye(6)[None]
    assert float(meerkat.transport_loss(same, same, 100, 0.1)) < 1e-3
    assert float(meerkat.transport_loss(same, torch.randn(1, 4, 6), 100, 0.1)) > 0.05


def test_consistency_follows_its_equation_and_likes_attention_within_the_box():
    maps = torch.ones(1, 4, 4)
    box = torch.tensor([[0.0, 0.0, 0.5, 1.0]])
    half = 224 * 112
    wanted = (half / (half + 0.1) + 1 - half / (half + 0.1)) / 2
    assert float(meerkat.consistency_loss(maps, box)) == pytest.approx(wanted, abs=1e-5)
    maps[:, :, 2:] = 0
    within = meerkat.consistency_loss(maps, box)
    without = meerkat.consistency_loss(maps.flip(2), box)
    assert float(within) < 0.15 < 0.85 < float(without)


def test_meerkat_learns_from_boxes_and_from_transport():
    model = adapter("meerkat")
    clip, prompt = model.clip(request(material(0))), model.prompt(request(material(0)))
    box = torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    with torch.no_grad():
        losses = [float(model.network.loss(clip, [prompt], [[30]], boxes=b)) for b in (None, box)]
    assert losses[1] > losses[0]
    model.network.loss(clip, [prompt], [[30]], boxes=box).backward()
    assert model.network.to_patches.in_proj_weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("n", "kernel", "stride", "wanted"), [(1176, 6, 2, 586), (64, 12, 9, 6)])
def test_meerkat_shortens_to_the_published_numbers(n, kernel, stride, wanted):
    options = model_file("meerkat").TINY
    bridge = meerkat.AmongWords(8, 32, kernel, stride, options)
    assert bridge(torch.randn(1, n, 8), torch.randn(50, 32)).shape == (1, wanted, 32)


def test_vita_has_256_tokens_a_picture_and_750_a_minute():
    with torch.device("meta"):
        heard = Ear(Sizes(ear_layers=1))(torch.empty(1, 6000, 80))
        seen = four_as_one(torch.empty(1, 16, 1024, 8))
    assert heard.shape[1] == 750
    assert seen.shape == (1, 16, 256, 32)


def test_four_patches_that_lie_together_are_one_token():
    patches = torch.arange(16.0).view(1, 1, 16, 1)
    assert four_as_one(patches)[0, 0].tolist() == [
        [0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]
    ]  # fmt: skip


def test_guesses_are_kept_apart_and_agree_in_turn_by_their_equations():
    draw = torch.Generator().manual_seed(0)
    names = ("question", "sound", "pictures")
    whole = torch.randn(3, 7, generator=draw).log_softmax(-1)
    guesses = {name: torch.randn(3, 7, generator=draw).log_softmax(-1) for name in names}

    def kl(a, b):
        return float((a.exp() * (a - b)).sum(-1).mean())

    apart = sum(1 / (kl(whole, guess) + 1e-8) for guess in guesses.values())
    assert float(maven.keep_apart(whole, guesses, None)) == pytest.approx(apart, rel=1e-5)
    q, a, v = (guesses[name] for name in names)
    turn = kl(a, q) + kl(v, a) + kl(q, v)
    assert float(maven.agree_in_turn(guesses)) == pytest.approx(turn, rel=1e-5)
    same = {name: whole for name in names}
    assert float(maven.keep_apart(whole, same, None)) > 1e8
    assert float(maven.keep_apart(whole, same, 0.01)) == pytest.approx(300, rel=1e-5)


def test_a_guess_is_made_from_nothing_but_its_sense():
    clips = ClipTensors(torch.zeros(1, 2), torch.zeros(1, 3))
    found = maven.guesses_from(clips, [Prompt((1,), (5, 6), (7,))])
    given = {
        name: (c.pictures is not None, c.sound is not None, p[0].question)
        for name, (c, p) in found.items()
    }
    assert given == {
        "question": (False, False, (5, 6)),
        "sound": (False, True, ()),
        "pictures": (True, False, ()),
    }


@pytest.mark.parametrize("compat", ["paper", "released"])
def test_debiasing_adds_to_the_loss_of_words(compat):
    losses = []
    for apart in (0.0, 0.001):
        model = adapter("maven", compat=compat, apart=apart, cycle=0.0)
        losses.append(float(model.loss([request(material(0))], ["yes"]).detach()))
    assert losses[1] > losses[0] + 1e-6


def test_slices_of_sound_are_the_middles_of_equal_parts():
    assert middles(16, 8) == [1, 3, 5, 7, 9, 11, 13, 15]
    assert middles(2, 4) == [0, 0, 1, 1]
    ear = Listening(2, 100, 16)
    sound = torch.randn(16000 * 6).numpy()
    assert torch.equal(ear(sound)[0, 0], Listening(6, 100, 16)(sound)[0, 1])
    assert ear.heard_s(sound) == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize(("fit", "n"), [("squeeze", 2), ("pad", 2), ("crops", 6)])
def test_pictures_become_squares(fit, n):
    pictures = torch.full((5, 40, 80, 3), 255, dtype=torch.uint8).numpy()
    seen = Looking(2, 20, (0.5,) * 3, (0.5,) * 3, fit=fit)(pictures)
    assert seen.shape == (1, n, 3, 20, 20)
    middle = seen[0, 0, :, 8:12]
    assert torch.allclose(middle, torch.ones_like(middle))
    assert float(seen[0, 0, 0, 0, 0]) == (0.0 if fit == "pad" else 1.0)


@pytest.mark.parametrize(
    ("name", "billions"),
    [("valor", 0.56), ("vast", 1.3), ("videollama2", 8.2), ("audio_flamingo", 2.1),
     ("chatbridge", 14.3), ("onellm", 7.4), ("cat", 7.2), ("meerkat", 7.1), ("vita", 47.4)],
)  # fmt: skip
@pytest.mark.slow
def test_the_published_size_is_built(name, billions):
    with torch.device("meta"):
        model = build_model(name)
    n = sum(weight.numel() for weight in model.parameters())
    assert n / 1e9 == pytest.approx(billions, rel=0.05)
