"""Every method in bf16 and through torch.compile, at small sizes on the CPU."""

import re

import pytest
import torch
from torch._dynamo.utils import counters

from fixtures import make_batch, make_clips, make_questions, small_options
from musicavqa.methods.registry import list_methods, load_method

KNOWN_BREAKS = re.compile(r"LSTM|GRU|RNN|pack_padded_sequence")
"""Where dynamo may leave the graph: it does not trace recurrent layers, nor packed sequences."""
SIZED_BY_DATA = ("dcl", "pstp_net", "qa_tiger", "tjstg", "tspm")
"""They work on as many questions, seconds, patches or known clips as there are, outside a graph."""
DATA_BREAKS = re.compile(r"Tensor\.item|_unique2")
DRAWS = ("bandleader",)
"""Between its networks and its logits it draws tables, outside of any graph."""
CHOOSES = ("crossmae", "pstp_net")
"""They keep the best seconds and patches: where two are close, bf16 may keep the other."""


HAS_ENCODERS = ("avmoe", "dg_sct", "last_att", "lavish", "lstta", "qap")
"""Whole encoders are within: to trace them takes long."""
SLOW = {name: [pytest.mark.slow] for name in HAS_ENCODERS}


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=SLOW.get(name, [])) for name in list_methods()]
)
def test_it_runs_in_bf16_and_compiled_with_the_same_answers(name):
    method = load_method(name)
    torch.manual_seed(0)
    model = method.build(small_options(method)).eval()
    if method.card.trained == "counting":
        model.fit(make_questions(make_clips(20)))
    batch = make_batch(method.streams(model.options), n_clips=3, lengths=[4, 2, 3])
    with torch.no_grad():
        plain = model(batch)
        _check_bf16(model, batch, plain, exact=name not in CHOOSES)
        if name not in DRAWS:
            _check_compiled(model, batch, plain, sized_by_data=name in SIZED_BY_DATA)


def _check_bf16(model, batch, plain, exact):
    # oneDNN has bf16 LSTMs only for some processors, and torch does not fall back by itself
    torch_only = torch.backends.mkldnn.flags(enabled=False)
    with torch_only, torch.autocast("cpu", torch.bfloat16):
        short = model(batch)
    span = plain.logits.abs().max()
    limit = 0.03 if exact else 0.3
    assert (short.logits.float() - plain.logits).abs().max() < limit * span
    for kind in {"time", "space"} & set(short.evidence):
        shares = short.evidence[kind].float().sum(-1)
        torch.testing.assert_close(shares, torch.ones_like(shares), atol=0.02, rtol=0)


def _check_compiled(model, batch, plain, sized_by_data):
    torch._dynamo.reset()
    counters.clear()
    compiled = torch.compile(model, backend="eager")(batch)
    torch.testing.assert_close(compiled.logits, plain.logits)
    assert counters["stats"]["unique_graphs"] > 0
    reasons = [reason for reason in counters["graph_break"] if not KNOWN_BREAKS.search(reason)]
    if sized_by_data:
        reasons = [reason for reason in reasons if not DATA_BREAKS.search(reason)]
    assert reasons == []
