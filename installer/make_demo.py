"""Makes the demo song and its true stems: synthesised, so that nobody's rights are touched. Always the same.

    python installer/make_demo.py [FOLDER]      writes demo.flac, vocals.flac, drums.flac, bass.flac, other.flac

Thirty-two seconds at 120 beats a minute: four bars of introduction, eight of verse, four to end; A minor, F, C, G.
The stems are rounded to 16 bit before they are added, so that they add up to the song exactly.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 44100
BEAT_S = 0.5
BARS = 16
LENGTH = round(BARS * 4 * BEAT_S * RATE)
SEED = 1969

Mono = NDArray[np.float64]
Stereo = NDArray[np.float64]

CHORDS = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62))
"""A minor, F, C, G, one bar each, as MIDI notes."""

BASS = (45, 41, 36, 43)

# (bar, beat, length in beats, MIDI note, vowel)
MELODY: tuple[tuple[int, float, float, int, str], ...] = (
    (4, 0.0, 1.5, 69, "a"),
    (4, 1.5, 0.5, 71, "o"),
    (4, 2.0, 1.5, 72, "e"),
    (5, 0.0, 1.0, 72, "a"),
    (5, 1.0, 1.0, 71, "i"),
    (5, 2.0, 1.75, 69, "o"),
    (6, 0.0, 1.5, 67, "a"),
    (6, 1.5, 0.5, 69, "e"),
    (6, 2.0, 1.5, 71, "o"),
    (7, 0.0, 3.0, 67, "u"),
    (8, 0.0, 1.5, 69, "a"),
    (8, 1.5, 0.5, 72, "e"),
    (8, 2.0, 1.75, 76, "i"),
    (9, 0.0, 1.0, 74, "a"),
    (9, 1.0, 1.0, 72, "o"),
    (9, 2.0, 1.75, 69, "e"),
    (10, 0.0, 1.0, 72, "a"),
    (10, 1.0, 1.0, 71, "e"),
    (10, 2.0, 1.5, 67, "o"),
    (11, 0.0, 3.25, 69, "a"),
    (12, 2.0, 1.0, 72, "o"),
    (12, 3.0, 1.0, 71, "e"),
    (13, 0.0, 3.0, 69, "u"),
    (14, 0.0, 2.0, 67, "o"),
    (15, 0.0, 3.0, 69, "a"),
)

VOWELS = {
    "a": (800, 1200, 2700, 3500),
    "e": (450, 1900, 2600, 3500),
    "i": (320, 2300, 3000, 3600),
    "o": (480, 850, 2600, 3400),
    "u": (340, 700, 2400, 3300),
}
WIDTHS = (80, 100, 140, 200)
HEIGHTS = (1.0, 0.55, 0.22, 0.12)


def hertz(note: float | Mono) -> float | Mono:
    return 440.0 * 2.0 ** ((np.asarray(note) - 69.0) / 12.0)


def at(bar: int, beat: float) -> int:
    return round((bar * 4 + beat) * BEAT_S * RATE)


def add(target: NDArray[np.float64], sound: NDArray[np.float64], start: int) -> None:
    stop = min(start + sound.shape[-1], target.shape[-1])
    target[..., start:stop] += sound[..., : stop - start]


def decay(seconds: float, length_s: float) -> Mono:
    return np.exp(-np.arange(round(length_s * RATE)) / RATE / seconds)


def drums(noise: np.random.Generator) -> Stereo:
    out = np.zeros((2, LENGTH))
    time = np.arange(round(0.4 * RATE)) / RATE
    kick = np.sin(2 * np.pi * (48 * time + 9.0 * (1 - np.exp(-time / 0.022)))) * np.exp(-time / 0.11)
    kick[:120] += noise.standard_normal(120) * np.linspace(0.35, 0, 120)
    for bar in range(BARS):
        fill = bar in (3, 11)
        for beat in (0.0, 2.0, 2.5) if bar % 2 else (0.0, 1.5, 2.0):
            add(out, 0.7 * kick * np.ones((2, 1)), at(bar, beat))
        snares = [(1.0, 1.0), (3.0, 1.0)]
        if fill:
            snares += [(2.5, 0.5), (3.25, 0.6), (3.5, 0.75), (3.75, 0.9)]
        for beat, level in snares:
            tone = np.sin(2 * np.pi * 190 * time) * np.exp(-time / 0.05)
            rattle = np.diff(noise.standard_normal(len(time) + 1)) * np.exp(-time / 0.085)
            add(out, level * (0.4 * tone + 0.28 * rattle) * np.ones((2, 1)), at(bar, beat))
        for step in range(8):
            is_open = step == 7 and bar % 4 == 3
            length = 0.32 if is_open else 0.07
            hiss = np.diff(noise.standard_normal(round(length * 2 * RATE) + 2), 2) * decay(length / 2.5, length * 2)
            level = (0.09 if step % 2 == 0 else 0.055) * (0.9 + 0.2 * noise.random())
            add(out, level * hiss * np.array([[0.75], [1.0]]), at(bar, step * 0.5))
    crash = np.diff(noise.standard_normal((2, round(2.2 * RATE) + 2)), 2, axis=1) * decay(0.5, 2.2)
    for bar in (4, 12):
        add(out, 0.11 * crash, at(bar, 0))
    return 0.5 * out


def bass() -> Stereo:
    out = np.zeros(LENGTH)
    for bar in range(BARS):
        root = BASS[bar % 4]
        steps = ((0.0, 0.9, 0), (1.0, 0.4, 0), (1.5, 0.45, 12), (2.0, 0.9, 0), (3.0, 0.45, 7), (3.5, 0.45, 10))
        for beat, length, above in steps:
            frequency = float(hertz(root + above))
            time = np.arange(round(length * BEAT_S * RATE)) / RATE
            note = np.zeros(len(time))
            # A string: every overtone fades faster than the one below it.
            for number in range(1, 13):
                fade = np.exp(-time * (1.2 + 1.1 * number))
                note += np.sin(2 * np.pi * frequency * number * time) * fade / number**1.15
            note *= np.minimum(time / 0.004, 1.0) * np.minimum((time[-1] - time) / 0.02, 1.0)
            add(out, note, at(bar, beat))
    return 0.2 * np.tanh(1.3 * out) * np.ones((2, 1))


def chords(noise: np.random.Generator) -> Stereo:
    out = np.zeros((2, LENGTH))
    for bar in range(BARS):
        for beat in (0.0, 1.5, 2.5) if bar >= 4 else (0.0, 2.0):
            for number, note in enumerate(CHORDS[bar % 4]):
                frequency = float(hertz(note + 12 * (number == 0)))
                length = 2.2
                time = np.arange(round(length * RATE)) / RATE
                # An electric piano: two sines that modulate each other, brighter at the stroke.
                index = 1.6 * np.exp(-time / 0.25) + 0.25
                shape = np.minimum(time / 0.003, 1.0) * np.exp(-time / 0.55) * np.minimum((length - time) / 0.05, 1.0)
                sound = np.sin(2 * np.pi * frequency * time + index * np.sin(2 * np.pi * frequency * time)) * shape
                sway = 0.35 * np.sin(2 * np.pi * 4.6 * (time + at(bar, beat) / RATE) + number)
                place = np.stack([0.5 - 0.5 * sway, 0.5 + 0.5 * sway])
                spread = np.array([[1.2 - 0.4 * number], [0.4 + 0.4 * number]])
                add(out, 0.075 * sound * place * spread, at(bar, beat) + round(0.006 * number * RATE))
    for bar in range(BARS):
        time = np.arange(round(4.2 * BEAT_S * RATE)) / RATE
        swell = np.minimum(time / 0.35, 1.0) * np.minimum((time[-1] - time) / 0.25, 1.0)
        for note in CHORDS[bar % 4]:
            for side, cents in ((0, -7.0), (0, 4.0), (1, 7.0), (1, -3.0)):
                frequency = float(hertz(note + 12 + cents / 100))
                phase = 2 * np.pi * noise.random()
                pad = sum(np.sin(2 * np.pi * frequency * n * time + n * phase) / n**1.8 for n in range(1, 7))
                add(out[side], 0.011 * pad * swell, at(bar, 0))
    return out


def voice(noise: np.random.Generator) -> Stereo:
    pitch = np.zeros(LENGTH)
    loud = np.zeros(LENGTH)
    formants = np.zeros((4, LENGTH))
    breath = np.zeros(LENGTH)
    before = None
    for bar, beat, beats, note, vowel in MELODY:
        start, frames = at(bar, beat), round(beats * BEAT_S * RATE)
        time = np.arange(frames) / RATE
        glide = 0.0 if before is None or start - before[0] > 0.3 * RATE else before[1] - note
        bend = glide * np.exp(-time / 0.045) - 0.35 * np.exp(-time / 0.06)
        depth = 0.32 * np.clip((time - 0.28) / 0.35, 0, 1)
        span = slice(start, start + frames)
        pitch[span] = note + bend + depth * np.sin(2 * np.pi * 5.4 * time)
        loud[span] = np.minimum(time / 0.05, 1) * np.minimum((time[-1] - time) / 0.09, 1) * (1 - 0.2 * time / time[-1])
        formants[:, span] = np.array(VOWELS[vowel])[:, np.newaxis]
        breath[max(start - round(0.05 * RATE), 0) : start] = 0.5
        before = (start + frames, note)
    return voice_sound(pitch, loud, formants, breath, noise)


def voice_sound(
    pitch: Mono, loud: Mono, formants: NDArray[np.float64], breath: Mono, noise: np.random.Generator
) -> Stereo:
    """Sing: a sum of overtones, each as loud as the vocal tract lets it through at that moment."""
    smooth = np.hanning(round(0.05 * RATE))
    smooth /= smooth.sum()
    sung = loud > 0
    for row in formants:
        filled = np.where(row > 0, row, np.interp(np.arange(LENGTH), np.flatnonzero(row > 0), row[row > 0]))
        row[:] = np.convolve(np.pad(filled, len(smooth) // 2, "edge"), smooth, "same")[
            len(smooth) // 2 : len(smooth) // 2 + LENGTH
        ]
    frequency = np.where(sung, hertz(np.where(sung, pitch, 69.0)), 0.0)
    drift = np.convolve(noise.standard_normal(LENGTH), np.ones(2000) / 2000, "same")
    phase = 2 * np.pi * np.cumsum(frequency * (1 + 0.05 * drift)) / RATE
    out = np.zeros(LENGTH)
    for number in range(1, 25):
        overtone = frequency * number
        tract = sum(
            height / (1 + ((overtone - formant) / width) ** 2)
            for formant, width, height in zip(formants, WIDTHS, HEIGHTS, strict=True)
        )
        level = np.where(overtone < 9000, (tract + 0.015) / number**0.55, 0.0)
        out += level * np.sin(number * phase)
    hiss = np.diff(noise.standard_normal(LENGTH + 1))
    out = 0.3 * out * loud + 0.012 * hiss * loud + 0.02 * hiss * np.convolve(breath, smooth, "same")
    return 0.62 * out * np.ones((2, 1))


def room(dry: Stereo, wet: float, length_s: float, noise: np.random.Generator) -> Stereo:
    """Put sound into a room: noise that dies away, another for each side."""
    frames = round(length_s * RATE)
    tail = noise.standard_normal((2, frames)) * np.exp(-5.5 * np.arange(frames) / frames)
    tail[:, : round(0.012 * RATE)] = 0
    size = 1 << int(np.ceil(np.log2(LENGTH + frames)))
    spectrum = np.fft.rfft(dry, size) * np.fft.rfft(tail / np.sqrt((tail**2).sum(axis=1, keepdims=True)), size)
    return dry + wet * np.fft.irfft(spectrum, size)[:, :LENGTH]


def make() -> dict[str, NDArray[np.int16]]:
    """Return stem name -> (2, frames) 16-bit samples, and the song as "demo"."""
    noise = np.random.default_rng(SEED)
    stems = {
        "vocals": room(voice(noise), 0.22, 1.4, noise),
        "drums": room(drums(noise), 0.05, 0.5, noise),
        "bass": bass(),
        "other": 2.4 * room(chords(noise), 0.15, 1.2, noise),
    }
    ending = np.ones(LENGTH)
    ending[-round(0.6 * RATE) :] = np.linspace(1, 0, round(0.6 * RATE))
    total = sum(stems.values()) * ending
    scale = 0.88 / np.abs(total).max()
    rounded = {name: np.round(sound * ending * scale * 32767).astype(np.int16) for name, sound in stems.items()}
    song = sum(sound.astype(np.int32) for sound in rounded.values())
    assert np.abs(song).max() < 32768
    return {"demo": song.astype(np.int16), **rounded}


def main(folder: Path) -> None:
    import mutagen.flac
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in make().items():
        path = folder / f"{name}.flac"
        soundfile.write(path, samples.T, RATE, subtype="PCM_16")
        tags = mutagen.flac.FLAC(path)
        tags["title"] = "Four Windows" if name == "demo" else f"Four Windows ({name})"
        tags["artist"] = "stemeditor"
        tags["license"] = "CC0-1.0"
        tags.save()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "resources" / "demo")
