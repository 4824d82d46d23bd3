"""MCCD: reml-group/MUSIC-AVQA-R, on the VisualBERT of the installed transformers.

BERT's word list is that of MiniLM's tokenizer, which the package fetches.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from musicavqa.features.encoders.weights import weight_file
from musicavqa.methods.layers.word_pieces import WordPieces, piece_tables
from musicavqa.records import Batch
from released.contract import N_WORDS, Released

THIRD = 0.333
CONFIG: dict[str, Any] = {
    "bias_learner": {
        "three_bias_learner_exist": True, "q_bias": True, "a_bias": True, "v_bias": True,
    },
    "mlp": {"dimensions": [768, 768, 42]},
    "num_labels": 42,
    "loss_weight": {
        "major_loss_weight": 1, "distribution_loss_weight": 0.01, "cycle_Kl_loss_weight": THIRD,
        **{f"euclidean_distance_fusion_{sense}_weight": THIRD for sense in "qav"},
        **{f"cycle_KL_{pair}_weight": THIRD for pair in ("a_q", "q_v", "v_a")},
    },
}  # fmt: skip
"""Of its option.yaml."""


def bert_words() -> list[str]:
    from tokenizers import Tokenizer

    path = weight_file("minilm").with_name("tokenizer.json")
    numbers = Tokenizer.from_file(str(path)).get_vocab()
    return sorted(numbers, key=numbers.__getitem__)


def ask(network: Any, batch: Batch) -> Any:
    """Pieces are those of its tokenizer, padded to 14."""
    pieces, there = network.pieces(batch.words)
    room = N_WORDS - pieces.shape[1]
    pieces, there = (nn.functional.pad(rows, (0, room)) for rows in (pieces, there))
    sound, picture = batch.streams["audio_vggish"], batch.streams["visual_r2plus1d"]
    ones = torch.ones(sound.shape[:2], dtype=torch.long)
    return network(
        {
            "inputs": {
                "input_ids": pieces,
                "attention_mask": there.long(),
                "token_type_ids": torch.zeros_like(pieces),
            },
            "pos": torch.arange(N_WORDS).expand(len(pieces), -1),
            "audio_emb": sound,
            "video_emb": picture,
            "audio_token_type": ones,
            "video_token_type": ones,
        }
    )


def make(code: Any) -> nn.Module:
    network = code.RAVQA({"hyper_para": CONFIG})
    tables = piece_tables(bert_words())
    pieces = WordPieces(tables["table"].shape[1], N_WORDS)
    pieces.load_state_dict(tables)
    object.__setattr__(network, "pieces", pieces)  # the loader's, and no part of it
    return network


def losses(code: Any, given: Any, answers: Tensor) -> list[Tensor]:
    return [code.CRITERION({"hyper_para": CONFIG}, None)(given, answers)]


MCCD = Released(
    files=(
        ("MUSIC-AVQA-R/model/layer.py", "model.layer"),
        ("MUSIC-AVQA-R/model/criterion.py", "model.criterion"),
        ("MUSIC-AVQA-R/model/net.py", "model.net"),
    ),
    make=make,
    ask=ask,
    batch=64,
    seconds=60,
    logits=lambda given: given["fusion_logits"],
    losses=losses,
    mended=(
        ("import VisualBertModel", "import VisualBertConfig, VisualBertModel"),
        (
            'VisualBertModel.from_pretrained("uclanlp/visualbert-vqa-coco-pre")',
            "VisualBertModel(VisualBertConfig(visual_embedding_dim=2048))",
        ),
    ),
    standing={"model": {}, "utils": {"grad_mul_const": None}},
    words=bert_words,
)
