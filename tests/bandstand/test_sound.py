"""The sound of scenes: notes where the scene says, as loud as it says, and always the same."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from musicavqa.bandstand import sound, speech
from musicavqa.bandstand.patches import DRUM_KEYS, PATCHES, PERCUSSION, RANGES
from musicavqa.bandstand.sound import RATE_HZ, mix, stems
from musicavqa.questions import INSTRUMENTS

DRY = {"room": 0.0, "noise_db": -120.0, "low_pass_hz": 15000, "gain_db": 0.0, "seed": 1}
WINDOW = 64  # 2 ms


def _player(instrument: str, notes: list, **changes) -> dict:
    settings = {"level_db": 0.0, "pan": 0.0, "detune": 0.0, "patch": PATCHES[instrument][0]}
    return {"instrument": instrument, "notes": notes, **settings, **changes}


def _scene(*players: dict, font: str = "timgm6mb", duration_s: float = 3.0, **changes) -> dict:
    settings = {"font": font, **DRY, **changes}
    return {
        "duration_s": duration_s,
        "players": list(players),
        "voiceover": None,
        "sound": settings,
    }


def _loudness(samples: np.ndarray) -> np.ndarray:
    """Root mean square of every 2 ms."""
    blocks = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    return np.sqrt((blocks**2).mean(1))


def _rms_db(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples)))))


def _pitches(instrument: str) -> list[int]:
    low, high = RANGES[instrument]
    return list(DRUM_KEYS.get(instrument, (low, (low + high) // 2, high)))


def _melody(instrument: str) -> list[list[float]]:
    pitches = _pitches(instrument)
    return [[0.3 + 0.5 * i, 0.7 + 0.5 * i, pitches[i % len(pitches)], 90] for i in range(4)]


def test_there_are_patches_and_ranges_for_every_instrument():
    assert sorted(PATCHES) == sorted(RANGES) == sorted(INSTRUMENTS)
    assert sorted(DRUM_KEYS) == sorted(PERCUSSION)


@pytest.mark.parametrize("font", ["timgm6mb", "merlin"])
@pytest.mark.parametrize("instrument", sorted(PATCHES))
def test_notes_start_within_15_ms_and_have_faded_a_quarter_second_after_their_end(instrument, font):
    notes = [[0.5 + 0.8 * i, 0.9 + 0.8 * i, p, 90] for i, p in enumerate(_pitches(instrument))]
    duration_s = notes[-1][1] + 1
    for patch in PATCHES[instrument]:
        player = _player(instrument, notes, patch=patch)
        stem = stems(_scene(player, font=font, duration_s=duration_s))[0]
        loud = _loudness(stem)
        for onset_s, offset_s, pitch, _ in notes:
            first, last = round(onset_s * 500), round(offset_s * 500)
            peak = loud[first:last].max()
            start = first - 100 + int((loud[first - 100 : last] > 0.1 * peak).argmax())
            assert abs(start - first) * 0.002 <= 0.015, (patch, pitch)
            assert loud[last + 125 : last + 190].max() < 0.01 * peak, (patch, pitch)


@pytest.mark.parametrize("instrument", sorted(PATCHES))
def test_every_pitch_in_range_sounds(instrument):
    low, high = RANGES[instrument]
    pitches = DRUM_KEYS.get(instrument) or range(low, high + 1)
    notes = [[0.1 + 0.3 * i, 0.3 + 0.3 * i, p, 50] for i, p in enumerate(pitches)]
    duration_s = notes[-1][1] + 0.5
    for patch in PATCHES[instrument]:
        stem = stems(_scene(_player(instrument, notes, patch=patch), duration_s=duration_s))[0]
        loud = _loudness(stem)
        peaks = [loud[round(n[0] * 500) : round(n[1] * 500)].max() for n in notes]
        assert min(peaks) > 0.03 * np.median(peaks)


@pytest.mark.parametrize("level_db", [0.0, -4.0, -8.0, -12.0])
@pytest.mark.parametrize("instrument", ["violin", "piano", "drum", "xylophone"])
def test_a_stem_has_its_level_over_its_notes(instrument, level_db):
    notes = _melody(instrument)
    stem = stems(_scene(_player(instrument, notes, level_db=level_db)))[0]
    active = sound.active(notes, len(stem))
    assert _rms_db(stem[active]) == pytest.approx(-20 + level_db, abs=0.01)


def test_levels_stay_apart_in_the_mix():
    notes = _melody("cello")
    loud, soft = (mix(_scene(_player("cello", notes, level_db=x))) for x in (0.0, -8.0))
    assert _rms_db(loud) - _rms_db(soft) == pytest.approx(8.0, abs=0.1)


@pytest.mark.parametrize("pan", [-0.8, 0.0, 0.5])
def test_pan_divides_a_constant_power(pan):
    notes = _melody("flute")
    heard = mix(_scene(_player("flute", notes, pan=pan)))
    centre = mix(_scene(_player("flute", notes)))
    left, right = np.square(heard).sum(0)
    assert right / (left + right) == pytest.approx(np.sin((pan + 1) * np.pi / 4) ** 2, abs=0.01)
    assert left + right == pytest.approx(np.square(centre).sum(), rel=0.01)


def test_sound_from_the_left_reaches_the_left_ear_first():
    heard = mix(_scene(_player("banjo", _melody("banjo"), pan=-0.7)))
    lags = range(-25, 26)
    products = [float(np.roll(heard[:, 0], lag) @ heard[:, 1]) for lag in lags]
    assert lags[int(np.argmax(products))] == round(0.7 * sound.EAR_DELAY_S * RATE_HZ)


def test_a_player_without_notes_makes_no_sound():
    assert stems(_scene(_player("violin", []))) == {}
    assert np.abs(mix(_scene(_player("violin", [])))).max() < 1e-5


def test_a_note_is_not_ended_by_an_earlier_one_of_the_same_pitch():
    notes = [[0.3, 0.8, 69, 90], [0.75, 2.0, 69, 90]]
    stem = stems(_scene(_player("violin", notes)))[0]
    assert _loudness(stem)[500:950].min() > 0.02


def test_a_note_may_start_with_the_clip():
    (stem,) = stems(_scene(_player("violin", [[0.0, 0.5, 69, 90]]))).values()
    assert _loudness(stem)[:50].max() > 0.01


def test_detune_raises_the_pitch():
    def strongest_hz(detune: float) -> float:
        notes = [[0.1, 2.9, 69, 90]]
        stem = stems(_scene(_player("clarinet", notes, detune=detune)))[0]
        return float(np.abs(np.fft.rfft(stem, 8 * len(stem)))[: 600 * 24].argmax() / 24)

    assert 12 * np.log2(strongest_hz(0.5) / strongest_hz(0.0)) == pytest.approx(0.5, abs=0.03)


def test_the_same_scene_gives_the_same_samples():
    scene = _scene(_player("piano", _melody("piano")), room=0.5, noise_db=-50.0)
    scene["voiceover"] = _voiceover("Good evening.", 0.2, 1.4)
    first = mix(scene)
    speech._spoken.cache_clear()
    speech.say("Something else was said before.", "fr")
    np.testing.assert_array_equal(mix(scene), first)
    assert first.shape == (3 * RATE_HZ, 2)
    assert first.dtype == np.float32


def test_loud_scenes_are_scaled_not_clipped():
    drums = [_player("drum", _melody("drum"), pan=-1.0) for _ in range(4)]
    heard = mix(_scene(*drums, gain_db=6.0))
    assert np.abs(heard).max() == pytest.approx(sound.PEAK, abs=1e-4)


def test_noise_has_its_level():
    heard = mix(_scene(noise_db=-40.0, duration_s=10.0))
    assert _rms_db(heard) == pytest.approx(-40.0, abs=1.0)


def test_a_room_lengthens_the_sound_and_a_low_pass_darkens_it():
    notes = [[0.5, 1.0, 76, 90]]
    dry = mix(_scene(_player("violin", notes)))
    wet = mix(_scene(_player("violin", notes), room=1.0))
    dull = mix(_scene(_player("violin", notes), low_pass_hz=1000))
    tail = slice(round(1.2 * RATE_HZ), round(1.4 * RATE_HZ))
    assert np.abs(dry[tail]).max() < 1e-4 < 1e-3 < np.abs(wet[tail]).max()
    treble = [np.abs(np.fft.rfft(x[:, 0]))[3 * 4000 :].sum() for x in (dry, dull)]
    assert treble[1] < 0.2 * treble[0]


def test_a_patch_without_sound_is_an_error():
    silent = _player("saxophone", [[0.5, 1.0, 64, 50]], patch=65)
    with pytest.raises(ValueError, match="makes no sound"):
        stems(_scene(silent))


def _voiceover(text: str, start_s: float, end_s: float, **changes) -> dict:
    settings = {"voice": "en-us", "pitch": 50, "level_db": 0.0}
    return {"text": text, "start_s": start_s, "end_s": end_s, **settings, **changes}


def test_a_voiceover_fills_its_time():
    scene = _scene(duration_s=6.0)
    scene["voiceover"] = _voiceover("Please welcome the musicians of tonight.", 1.0, 4.0)
    loud = _loudness(mix(scene)[:, 0])
    heard = np.flatnonzero(loud > 0.005) * 0.002
    assert heard[0] == pytest.approx(1.0, abs=0.05)
    assert heard[-1] == pytest.approx(4.0, abs=0.15)


@pytest.mark.parametrize("voice", speech.VOICES)
def test_every_voice_speaks(voice):
    spoken = speech.say("Good evening.", voice)
    assert 0.4 < len(spoken) / RATE_HZ < 1.5
    assert np.abs(spoken).max() > 0.1


def test_another_process_speaks_the_same_samples():
    program = (
        "import hashlib; from musicavqa.bandstand.speech import say;"
        "print(hashlib.sha256(say('Good evening.', 'en-us+f2').tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    spoken = speech.say("Good evening.", "en-us+f2")  # a breathy voice, with noise in it
    assert done.stdout.decode().strip() == hashlib.sha256(spoken.tobytes()).hexdigest()


def test_an_unknown_voice_is_an_error_that_lists_the_voices():
    with pytest.raises(ValueError, match="en-us"):
        speech.say("Good evening.", "klingon")
