"""One reading out of two: by heads that learned from drawings, and by what is known of footage."""

from __future__ import annotations

from dataclasses import replace

from musicavqa.records import Reading


def by_sense(
    learned: Reading, footage: Reading, picture_familiar: float, sound_familiar: float
) -> Reading:
    """The eye of the likelier reading, and the ears of both, weighed.

    `picture_familiar` and `sound_familiar` are probabilities that the clip is like those that the
    heads learned from. Performers of two readings cannot be mixed; probabilities of sounds can.
    Raises ValueError where the readings are not of the same ticks.
    """
    if learned.activity.shape != footage.activity.shape:
        raise ValueError(
            f"Readings of {len(learned.activity)} and {len(footage.activity)} ticks are not of one "
            "clip. Read both for the same duration."
        )
    seen = learned if picture_familiar >= 0.5 else footage
    w = sound_familiar
    return replace(
        seen,
        heard=w * learned.heard + (1 - w) * footage.heard,
        activity=w * learned.activity + (1 - w) * footage.activity,
        level_db=w * learned.level_db + (1 - w) * footage.level_db,
        onset_rate=w * learned.onset_rate + (1 - w) * footage.onset_rate,
        voiceover=w * learned.voiceover + (1 - w) * footage.voiceover,
    )
