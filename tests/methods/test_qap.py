"""QaP: the counts of its paper, and the language model left as it is where the gates are shut."""

import dataclasses

import torch

from fixtures import load_method, make_batch, small_options


def test_it_has_the_parameters_that_the_paper_s_ablations_leave():
    method = load_method("qap")
    options = dataclasses.replace(method.module.PUBLISHED, audio_width=512)
    with torch.device("meta"):
        model = method.build(options)
    matrices = sum(
        weight.numel() for name, weight in model.queries.named_parameters() if "map" in name
    )
    beside = sum(weight.numel() for weight in model.beside.parameters())
    for figure in (matrices, beside):
        assert f"{figure:,}".replace(",", " ") in method.module.__doc__
    assert len(model.queries) == 12
    gates = [[float(query.gate) for query in layer.values()] for layer in
             method.build(small_options(method)).queries]  # fmt: skip
    assert gates == [[1.0, 1.0], [0.0, 0.0]]


def test_shut_gates_leave_the_language_model_as_it_is():
    method = load_method("qap")
    model = method.build(dataclasses.replace(small_options(method), frozen=True)).eval()
    batch = make_batch(method.streams(model.options))
    with torch.no_grad():
        for name, gate in model.named_parameters():
            if name.endswith("gate"):
                gate.zero_()
        tokens, there = model._begin(batch.words)
        tower, ended = model.language.tower, []
        tower.network.norm.register_forward_hook(lambda module, given, out: ended.append(out))
        model(batch)
        for i in range(len(tower.places)):
            tokens = tokens + tower.attend(i, tokens, there)
            tokens = tokens + tower.think(i, tokens)
    torch.testing.assert_close(ended[0], tower.end(tokens)[:, 2])


def test_a_frozen_language_model_gets_no_gradients():
    method = load_method("qap")
    model = method.build(dataclasses.replace(small_options(method), frozen=True)).train()
    model(make_batch(method.streams(model.options))).logits.sum().backward()
    for key, weight in model.named_parameters():
        assert (weight.grad is None) == key.startswith("language."), key
