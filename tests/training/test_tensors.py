"""Memory of batches: zeros on huge pages, views of what a store gives."""

import gc
import warnings

import numpy as np
import pytest
import torch

from musicavqa.training.tensors import HUGE_FROM, tensor_of, zeros


@pytest.mark.parametrize("n_bytes", [4, HUGE_FROM - 4, HUGE_FROM, 3 * HUGE_FROM + 4])
def test_zeros_of_any_size_are_zero_and_can_be_written_to(n_bytes):
    found = zeros((n_bytes // 4, 1))
    assert (found.dtype, tuple(found.shape)) == (torch.float32, (n_bytes // 4, 1))
    assert not found.any()
    view = found[-1]
    found.fill_(2.0)
    del found
    gc.collect()  # the memory stays as long as somebody looks at it
    assert view.item() == 2.0


def test_every_half_becomes_the_same_float32_as_in_numpy():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    every.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = tensor_of(every)
    assert np.shares_memory(rows.numpy(), every)
    assert np.array_equal(rows.float().numpy(), every.astype(np.float32), equal_nan=True)
