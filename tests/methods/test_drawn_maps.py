"""Products with drawn maps equal those with a copy of them, backwards too."""

import dataclasses

import pytest
import torch

from fixtures import make_batch, small_options
from musicavqa.methods.layers.drawn_maps import _Compare, _Sum, compare_drawn, sum_drawn
from musicavqa.methods.layers.grounding import AudioGuidedGrounding, Pictures
from musicavqa.methods.registry import load_method


def tensors():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    rows = torch.tensor([2, 0, 2, 1, 2])
    vectors = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    weights = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    return maps.requires_grad_(), rows, vectors.requires_grad_(), weights.requires_grad_()


def test_products_are_those_with_gathered_maps():
    maps, rows, vectors, weights = tensors()
    wanted = torch.einsum("npd,nd->np", maps[rows], vectors)
    torch.testing.assert_close(compare_drawn(maps, rows, vectors), wanted)
    wanted = torch.einsum("npd,np->nd", maps[rows], weights)
    torch.testing.assert_close(sum_drawn(maps, rows, weights), wanted)


def test_gradients_are_right():
    maps, rows, vectors, weights = tensors()
    assert torch.autograd.gradcheck(lambda m, v: _Compare.apply(m, rows, v), (maps, vectors))
    assert torch.autograd.gradcheck(lambda m, w: _Sum.apply(m, rows, w), (maps, weights))
    transposed = maps.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, v: _Compare.apply(m, rows, v), (transposed, vectors))


def test_grounding_elsewhere_is_grounding_in_a_copy():
    torch.manual_seed(0)
    where = AudioGuidedGrounding(8).double()
    pixels = torch.randn(3, 2, 6, 8, dtype=torch.float64)
    audio = torch.randn(3, 2, 8, dtype=torch.float64)
    clip, second = torch.tensor([[1, 2], [0, 2], [0, 1]]), torch.tensor([[0, 1], [1, 1], [0, 0]])
    wanted, _ = where(audio, pixels[clip, second])
    found, _ = where(audio, Pictures.of(pixels).elsewhere(clip, second))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("name", ["avst", "tjstg", "sasr_net"])
def test_a_method_learns_the_same_from_drawn_pictures_as_from_a_copy(name, wide):
    """Wide: a linear layer narrows the pixels, and learns from the negatives, too."""
    method = load_method(name)
    options = small_options(method)
    if not wide:
        options = dataclasses.replace(
            options, visual_stream="visual_resnet18_map", visual_width=512, width=512
        )
    torch.manual_seed(0)
    model = method.build(options).train()
    batch = make_batch(method.streams(options), 3, 2, negatives=method.negatives(options))
    copied = dataclasses.replace(batch, negatives=dict(batch.negatives))
    found = []
    for given in (batch, copied):
        torch.manual_seed(1)  # SaSR-Net assigns at random while it learns
        model.zero_grad()
        loss = model(given).losses["match"]
        loss.backward()
        grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        found.append((loss.detach(), grads))
    (one, first), (other, second) = found
    torch.testing.assert_close(one, other)
    assert first.keys() == second.keys()
    for name, gradient in first.items():
        torch.testing.assert_close(gradient, second[name], atol=1e-5, rtol=1e-4)
