"""What came before in a dialogue, and a reply word by word (Schwartz et al. 2019, AVSD).

The half of the official network that one question without history does not need: an LSTM over the
words of each turn, one over the turns, and a decoder whose every word sees the question's vector
and the history. As released, sentences are sorted by length before an LSTM reads them, and the
state with which it begins is not: it is that of the turn before (history), or of the clip
(decoder), of whichever dialogue stands at that place. So the dialogues of a batch leak into each
other; `leaks=False` lets each keep its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

State = tuple[Tensor, Tensor]


class History(nn.Module):
    """Turns (B, N, W) of `lengths` (B, N) words -> what was said, (B, D)."""

    def __init__(self, n_words: int, width: int, leaks: bool = True) -> None:
        super().__init__()
        self.leaks = leaks
        self.embedding = nn.Embedding(n_words, width)
        self.words = nn.LSTM(width, width, 2, batch_first=True)
        self.turns = nn.LSTM(width, width, batch_first=True)

    def forward(self, turns: Tensor, lengths: Tensor) -> Tensor:
        state: State | None = None
        last = []
        for words, length in zip(turns.unbind(1), lengths.unbind(1), strict=True):
            order = length.argsort(descending=True)
            back = order.argsort()
            if state is not None and not self.leaks:
                state = _in_order(state, order)
            packed = pack_padded_sequence(
                self.embedding(words)[order], length[order].cpu(), batch_first=True
            )
            _, state = self.words(packed, state)
            last.append(state[0][-1][back])
            if not self.leaks:
                state = _in_order(state, back)
        _, (hidden, _) = self.turns(torch.stack(last, dim=1))
        return hidden[-1]


class Reply(nn.Module):
    """Words so far (B, W), `lengths` (B,) of them real -> logits (B, W, words) of each next one."""

    def __init__(self, n_words: int, word_width: int, width: int, leaks: bool = True) -> None:
        super().__init__()
        self.leaks = leaks
        self.embedding = nn.Embedding(n_words, word_width)
        self.lstm = nn.LSTM(2 * word_width + width, width, batch_first=True)
        self.inner = nn.Linear(width, word_width)
        self.out = nn.Linear(word_width, n_words)

    def forward(
        self, words: Tensor, lengths: Tensor, state: State, question: Tensor, history: Tensor
    ) -> Tensor:
        """`state` (1, B, D) each is where it starts, question (B, D) and history (B, H) stay."""
        if self.leaks:  # who is i-th in length starts from the i-th state
            state = _in_order(state, lengths.argsort(descending=True).argsort())
        context = torch.cat([question, history], dim=-1)[:, None].expand(-1, words.shape[1], -1)
        states, _ = self.lstm(torch.cat([self.embedding(words), context], dim=-1), state)
        return self.out(self.inner(states))


def _in_order(state: State, order: Tensor) -> State:
    return state[0][:, order], state[1][:, order]


class Dialogue(nn.Module):
    """Both, at the sizes of one network."""

    def __init__(self, n_words: int, word_width: int, width: int) -> None:
        super().__init__()
        self.history = History(n_words, word_width)
        self.reply = Reply(n_words, word_width, width)


OFFICIAL_KEYS = {
    "history_encoder.embed.": "history.embedding.",
    "history_encoder.wlstm.": "history.words.",
    "history_encoder.slstm.": "history.turns.",
    "response_decoder.embed.": "reply.embedding.",
    "response_decoder.lstm.": "reply.lstm.",
    "response_decoder.proj.": "reply.inner.",
    "response_decoder.out.": "reply.out.",
}


def official_dialogue(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of `Dialogue` in official weights of the whole network."""
    return {
        ours + key.removeprefix(theirs): tensor
        for key, tensor in official.items()
        for theirs, ours in OFFICIAL_KEYS.items()
        if key.startswith(theirs)
    }
