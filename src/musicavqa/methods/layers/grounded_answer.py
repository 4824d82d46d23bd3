"""The second half of AVST and of all that put better senses before it (Li et al., CVPR 2022).

The sound picks the place in each picture, the question picks the seconds of both, both are added to
their means, joined, multiplied with the question and read as an answer. A side task asks whether
sound and picture of a second belong together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musicavqa.methods.layers import N_ANSWERS
from musicavqa.methods.layers.grounding import AudioGuidedGrounding, MatchHead, match_loss
from musicavqa.methods.layers.question_lstm import QuestionLSTM
from musicavqa.methods.layers.question_pooling import QuestionPooling
from musicavqa.methods.layers.seconds import back_on_the_grid, mean_of_seconds
from musicavqa.records import Batch, Output


class GroundedAnswer(nn.Module):
    """A method's `Model` begins from it and brings vectors of sounds and of pictures.

    `match_inner` is the width of the match head's first layer, as wide as all else without it.
    """

    def __init__(
        self, width: int, n_words: int, n_heads: int, dropout: float, reads_padding: bool,
        match_inner: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.question = QuestionLSTM(n_words, width, reads_padding)
        self.where = AudioGuidedGrounding(width)
        self.match = MatchHead(width, match_inner)
        self.when_heard = QuestionPooling(width, n_heads, dropout)
        self.when_seen = QuestionPooling(width, n_heads, dropout)
        self.fusion = nn.Linear(2 * width, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def reply(
        self, batch: Batch, audio: Tensor, visual: Tensor, places: Tensor, step: int = 1
    ) -> Output:
        """Logits, evidence and features, without losses.

        Of every `step`-th second: audio and visual vectors (C, T, D), and where in the picture the
        sound is (C, T, P).
        """
        rows, valid = batch.clip_of, batch.seconds[:, ::step]
        question = self.question(batch.words)  # (B, D)
        heard, ears = self.when_heard(question, audio[rows], valid[rows])
        seen, eyes = self.when_seen(question, visual[rows], valid[rows])
        heard = heard + mean_of_seconds(audio, valid)[rows]
        seen = seen + mean_of_seconds(visual, valid)[rows]
        features = {"question": question, "audio": heard, "visual": seen}
        when = (ears + eyes) / 2
        time = back_on_the_grid(when, step, batch.seconds.shape[1])
        space = torch.einsum("bt,btp->bp", when, places[rows])
        evidence = {"time": time, "space": space}
        return Output(self.answer_from(features), {}, evidence, features)

    def answer_from(self, features: dict[str, Tensor]) -> Tensor:
        """Logits (B, A) read from question, audio and visual vectors (B, D)."""
        both = self.fusion(torch.tanh(torch.cat([features["audio"], features["visual"]], dim=-1)))
        return self.answer(torch.tanh(both * features["question"]))

    def mismatch(self, audio: Tensor, visual: Tensor, other: Tensor, valid: Tensor) -> Tensor:
        """Match loss of true pairs and of pairs with pictures of others, all (C, T, D).

        Only the seconds that clips really have count.
        """
        positive = self.match(audio[valid], visual[valid])
        return match_loss(positive, self.match(audio[valid], other[valid]))


OFFICIAL_ANSWER_KEYS = {
    "question_encoder.word2vec.": "question.embedding.",
    "question_encoder.lstm.": "question.lstm.",
    "question_encoder.fc.": "question.out.",
    "fc_gl.": "where.out.",
    "fc1.": "match.steps.0.",
    "fc2.": "match.steps.1.",
    "fc3.": "match.steps.2.",
    "fc4.": "match.out.",
    "attn_a.": "when_heard.attention.",
    "linear21.": "when_heard.inner.",
    "linear22.": "when_heard.outer.",
    "norm2.": "when_heard.norm.",
    "attn_v.": "when_seen.attention.",
    "linear11.": "when_seen.inner.",
    "linear12.": "when_seen.outer.",
    "norm1.": "when_seen.norm.",
    "fc_fusion.": "fusion.",
    "fc_ans.": "answer.",
}
"""Official key prefixes of this half, which all of the family share."""
