"""Synthetic clips, questions, streams and batches, for tests of anything that reads a Batch."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from musicavqa.answers import ANSWERS
from musicavqa.methods.registry import Method, load_method
from musicavqa.questions import SLOTS, TEMPLATES, fill
from musicavqa.records import Batch, Clip, Question
from musicavqa.training.batches import Collation, make_batches

SHAPES: dict[str, tuple[int, ...]] = {
    "audio_logmel": (2, 50, 64),
    "audio_yamnet": (1545,),
    "audio_musicnn": (250,),
    "visual_effnet": (1280, 7, 7),
    "visual_motion": (49, 10),
    "visual_keyframes": (1438, 11, 14),
    "visual_movement": (10, 24, 32),
    "music_tempo": (82,),
    "music_tags": (2, 22),
    "music_onsets": (2,),
    "music_chroma": (37,),
}
"""One second of each default stream."""

SHAPES |= {
    "audio_logmel_10ms": (1, 100, 64),
    "audio_vggish": (128,),
    "visual_resnet18": (512,),
    "visual_resnet18_map": (512, 14, 14),
    "visual_r2plus1d": (512,),
    "visual_clip_b32": (512,),
    "visual_clip_b32_patches": (50, 512),
    "visual_clip_l14_336": (768,),
    "visual_tome14": (14, 1024),
    "visual_frames_224": (3, 224, 224),
    "audio_fbank_128": (1024, 128),
}

SHAPES |= {
    "visual_frames": (3, 192, 192),
    "audio_fbank_192": (192, 192),
    "audio_htsat_mel": (1001, 64),
    "audio_ast": (768,),
    "visual_swin_v2": (1536, 6, 6),
}
"""And of methods that have their encoders within."""
"""And of those that papers used."""

TEXTS: dict[str, tuple[int, ...]] = {
    "text_minilm": (384,),
    "text_minilm_prompt": (384,),
    "text_minilm_words": (32, 384),
    "text_clip_b32": (512,),
    "text_clip_b32_words": (77, 512),
    "text_clip_l14": (768,),
    "text_clip_l14_prompt": (768,),
    "text_clip_l14_words": (77, 768),
}
"""One question in each text stream; a second axis holds words, of which the last may be padding."""

TEMPLATES_FROM_1 = np.arange(1, len(TEMPLATES) + 1)

SMALL = {"width": 32, "dropout": 0.0, "heads": 2, "n_heads": 2, "top_k": 3}
SMALL |= {"scene_layers": 1, "question_layers": 1}
SMALL |= {"n_layers": 1, "n_source_heads": 2, "word_width": 24, "frame_width": 32}
SMALL |= {"eye_width": 8, "eye_blocks": 1, "ear_width": 8, "fit_width": 8}
SMALL |= {"tables": 20, "tables_training": 8}
SMALL |= {"decoder_width": 16, "decoder_heads": 2, "one_sense": 0.0}
SMALL |= {"drop_path": 0.0, "dropout_words": 0.0, "dropout_answer": 0.0}
"""Values that make any method small, for those of its options that bear such a name."""


def small_options(method: Method | str) -> Any:
    """The method's options, at sizes for tests and without dropout."""
    method = load_method(method) if isinstance(method, str) else method
    names = {field.name for field in dataclasses.fields(method.module.Options)}
    return method.options({name: value for name, value in SMALL.items() if name in names})


def make_clips(n_clips: int, n_seconds: int = 4) -> list[Clip]:
    """Clips clip-0, clip-1, ... without media and without scene."""
    return [Clip(f"clip-{row}", None, float(n_seconds)) for row in range(n_clips)]


def make_questions(clips: list[Clip], per_clip: int = 3, seed: int = 0) -> list[Question]:
    """Questions with random answers; no template comes twice before all 33 have come."""
    rng = np.random.default_rng(seed)
    n_questions = per_clip * len(clips)
    rounds = -(-n_questions // len(TEMPLATES))
    order = np.concatenate([rng.permutation(TEMPLATES_FROM_1) for _ in range(rounds)])
    questions = []
    for place, number in enumerate(order[:n_questions].tolist()):
        item = TEMPLATES[number - 1]
        slots = tuple(str(rng.choice(SLOTS[name])) for name in item.slots)
        questions.append(
            Question(
                key=f"synthetic/train/{place}",
                clip=clips[place // per_clip].id,
                text=fill(number, slots),
                template=number,
                slots=slots,
                cell=item.cell,
                answer=str(rng.choice(ANSWERS)),
            )
        )
    return questions


def make_streams(
    clips: list[Clip], names: tuple[str, ...], seed: int = 0, lengths: list[int] | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """Normal numbers in fp16 for every clip; `lengths` in seconds, else the clips' durations."""
    lengths = lengths or [int(clip.duration_s) for clip in clips]
    streams: dict[str, dict[str, np.ndarray]] = {}
    for place, name in enumerate(names):
        rng = np.random.default_rng([seed, place])
        streams[name] = {
            clip.id: rng.standard_normal((length, *SHAPES[name])).astype(np.float16)
            for clip, length in zip(clips, lengths, strict=True)
        }
    return streams


def make_texts(questions: list[Question], names: tuple[str, ...]) -> dict[str, Any]:
    """Normal numbers for every distinct question; words end after 5 to 12."""
    distinct = sorted({question.text for question in questions})
    texts: dict[str, Any] = {}
    for place, name in enumerate(names):
        rng = np.random.default_rng([place, len(distinct)])
        texts[name] = {text: rng.standard_normal(TEXTS[name], np.float32) for text in distinct}
        for rows in texts[name].values():
            if rows.ndim == 2:
                rows[int(rng.integers(5, 13)) :] = 0.0
    return texts


def make_batch(
    names: tuple[str, ...],
    n_clips: int = 4,
    n_seconds: int = 4,
    per_clip: int = 3,
    lengths: list[int] | None = None,
    seed: int = 0,
    negatives: tuple[str, ...] = (),
    mute: tuple[str, ...] = (),
    texts: tuple[str, ...] = tuple(TEXTS),
) -> Batch:
    """One batch of everything; with `negatives` it is drawn with a generator."""
    clips = make_clips(n_clips, n_seconds)
    questions = make_questions(clips, per_clip, seed)
    streams = make_streams(clips, names, seed, lengths)
    rng = np.random.default_rng(seed) if negatives else None
    collation = Collation(negatives=negatives, mute=mute, texts=make_texts(questions, texts))
    return next(make_batches(clips, questions, streams, n_clips, rng, collation))
