"""What a mixing engineer does to a track: equalise, compress, saturate, place in a room, pan, limit, encode."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemeditor.audio.buffer import Samples
from stemeditor.audio.convert import fit, to_channels
from stemeditor.training.corpus import RATE, Corpus

_ENVELOPE_HOP = 64
_LIMITER_REACH_S = 0.005


def equaliser(kind: str, frequency: float, gain_db: float, q: float = 0.9) -> NDArray[np.float64]:
    """Return the second-order section of a shelf ("low", "high") or a bell ("bell").

    References
    ----------
    R. Bristow-Johnson, Cookbook formulae for audio equalizer biquad filter coefficients, W3C note, 2021.
    """
    a = 10.0 ** (gain_db / 40.0)
    w = 2 * math.pi * min(frequency, 0.45 * RATE) / RATE
    cosine, alpha = math.cos(w), math.sin(w) / (2 * q)
    if kind == "bell":
        b = (1 + alpha * a, -2 * cosine, 1 - alpha * a)
        d = (1 + alpha / a, -2 * cosine, 1 - alpha / a)
    else:
        sign = 1.0 if kind == "low" else -1.0
        root = 2 * math.sqrt(a) * alpha
        b = (
            a * ((a + 1) - sign * (a - 1) * cosine + root),
            sign * 2 * a * ((a - 1) - sign * (a + 1) * cosine),
            a * ((a + 1) - sign * (a - 1) * cosine - root),
        )
        d = (
            (a + 1) + sign * (a - 1) * cosine + root,
            -sign * 2 * ((a - 1) + sign * (a + 1) * cosine),
            (a + 1) + sign * (a - 1) * cosine - root,
        )
    section: NDArray[np.float64] = np.array([[*b, *d]]) / d[0]
    return section


def filtered(sound: Samples, sections: NDArray[np.float64]) -> Samples:
    """Return (channels, frames) after second-order sections."""
    from scipy.signal import sosfilt

    return np.asarray(sosfilt(sections, sound, axis=1), np.float32)


def coloured(sound: Samples, rng: np.random.Generator, most_db: float) -> Samples:
    """Return the sound after a random equaliser of two shelves and two bells, each within `most_db`."""
    sections = [
        equaliser("low", float(rng.uniform(60, 300)), float(rng.uniform(-most_db, most_db))),
        equaliser("high", float(rng.uniform(3000, 10000)), float(rng.uniform(-most_db, most_db))),
        *(
            equaliser("bell", float(np.exp(rng.uniform(5.3, 8.8))), float(rng.uniform(-most_db, most_db)), 1.2)
            for _ in range(2)
        ),
    ]
    return filtered(sound, np.concatenate(sections))


def cut(frequency: float) -> NDArray[np.float64]:
    """Return the second-order section that takes away what lies below a frequency (12 dB an octave)."""
    from scipy.signal import butter

    section: NDArray[np.float64] = butter(2, frequency, "high", fs=RATE, output="sos")
    return section


def low_cut(sound: Samples, frequency: float) -> Samples:
    """Return the sound without what lies below a frequency; see `cut`."""
    return filtered(sound, cut(frequency))


def compressed(sound: Samples, threshold_db: float, ratio: float, attack_s: float, release_s: float) -> Samples:
    """Return the sound with what is over the threshold turned down; both channels get the same gain."""
    blocks = -(-sound.shape[1] // _ENVELOPE_HOP)
    level = fit(np.abs(sound).max(axis=0, keepdims=True), blocks * _ENVELOPE_HOP).reshape(blocks, _ENVELOPE_HOP)
    over = np.maximum(20 * np.log10(np.maximum(level.max(axis=1), 1e-6)) - threshold_db, 0.0) * (1 - 1 / ratio)
    rise, fall = (math.exp(-_ENVELOPE_HOP / (RATE * seconds)) for seconds in (attack_s, release_s))
    reduction = np.empty(blocks)
    state = 0.0
    for index, wanted in enumerate(over.tolist()):
        keep = rise if wanted > state else fall
        state = keep * state + (1 - keep) * wanted
        reduction[index] = state
    gain = np.interp(np.arange(sound.shape[1]) / _ENVELOPE_HOP, np.arange(blocks), 10 ** (-reduction / 20))
    return sound * gain.astype(np.float32)


def saturated(sound: Samples, drive: float) -> Samples:
    """Return the sound through a soft clipper, at about the same level."""
    peak = max(float(np.abs(sound).max(initial=0.0)), 1e-6)
    bent: Samples = np.tanh(sound * np.float32(drive / peak)) * np.float32(peak / math.tanh(drive))
    return bent


def panned(sound: Samples, position: float) -> Samples:
    """Return (2, frames) at a position from -1 (left) to 1 (right), equal power."""
    angle = (position + 1) * math.pi / 4
    gains = np.array([[math.cos(angle)], [math.sin(angle)]], np.float32) * np.float32(math.sqrt(2))
    return to_channels(sound, 2) * gains


def widened(sound: Samples, width: float) -> Samples:
    """Return (2, frames) with the difference of the channels scaled by `width`."""
    middle, side = (sound[0] + sound[1]) / 2, (sound[0] - sound[1]) / 2 * np.float32(width)
    return np.stack([middle + side, middle - side])


def doubled(sound: Samples, rng: np.random.Generator) -> Samples:
    """Return (2, frames): the sound, and short late copies of it left and right whose delays drift."""
    frames = sound.shape[1]
    out = np.array(to_channels(sound, 2))
    mono = sound.mean(axis=0)
    at = np.arange(frames)
    for side in range(2):
        delay = float(rng.uniform(0.008, 0.025)) + 0.0012 * np.sin(
            2 * np.pi * float(rng.uniform(0.2, 0.9)) * at / RATE + float(rng.random()) * 6
        )
        out[side] += np.float32(rng.uniform(0.2, 0.7)) * np.interp(at - delay * RATE, at, mono).astype(np.float32)
    return out


def echoed(sound: Samples, delay_s: float, feedback: float, level: float) -> Samples:
    """Return the sound with repetitions that get quieter and change sides."""
    out = np.array(to_channels(sound, 2))
    tap, gain = out.copy(), level
    for repeat in range(1, 6):
        shift = int(repeat * delay_s * RATE)
        if shift >= out.shape[1] or gain < 0.01:
            break
        sides = np.array([[1.0], [0.4]] if repeat % 2 else [[0.4], [1.0]], np.float32)
        out[:, shift:] += tap[:, : out.shape[1] - shift] * sides * np.float32(gain)
        gain *= feedback
    return out


def reverberated(sound: Samples, response: Samples, level: float) -> Samples:
    """Return the sound plus its reverberation at `level` of its own RMS."""
    from scipy.signal import oaconvolve

    dry = to_channels(sound, 2)
    wet = oaconvolve(dry, to_channels(response, 2), axes=1)[:, : dry.shape[1]]
    ratio = float(np.sqrt(np.square(dry).mean())) / max(float(np.sqrt(np.square(wet).mean())), 1e-9)
    return np.asarray(dry + wet * (level * ratio), np.float32)


def room(corpus: Corpus, rng: np.random.Generator) -> Samples:
    """Return (2, frames): an impulse response of the corpus, or noise that dies away as in a hall."""
    recorded = [sample for samples in corpus.of("ir").values() for sample in samples if sample.duration_s > 0.15]
    if recorded and rng.random() < 0.4:
        response = corpus.sound(recorded[int(rng.integers(len(recorded)))])
        return to_channels(response[: 2 if response.shape[0] > 1 else 1], 2)
    seconds = float(np.exp(rng.uniform(math.log(0.25), math.log(3.0))))
    time_s = np.arange(int(seconds * RATE)) / RATE
    noise = rng.normal(0, 1, (2, len(time_s))) * 10 ** (-3 * time_s / seconds)
    before = int(float(rng.uniform(0, 0.04)) * RATE)
    response = np.concatenate([np.zeros((2, before)), noise], axis=1).astype(np.float32)
    return filtered(response, equaliser("high", float(rng.uniform(1500, 6000)), float(rng.uniform(-18, -3))))


def limited(stems: Mapping[str, Samples], ceiling: float) -> dict[str, Samples]:
    """Return the stems after one limiter that hears their sum: all get the same gain, so they still add up."""
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    mix = np.add.reduce(list(stems.values()))
    needed = np.minimum(1.0, ceiling / np.maximum(np.abs(mix).max(axis=0), 1e-9))
    reach = int(_LIMITER_REACH_S * RATE)
    gain = uniform_filter1d(minimum_filter1d(needed, 2 * reach + 1), 2 * reach + 1).astype(np.float32)
    return {name: stem * gain for name, stem in stems.items()}


def encoded(sound: Samples, codec: str, kbps: int) -> Samples:
    """Return the sound after a round trip through a lossy codec ("mp3" or "aac"), at the same place in time."""
    import av

    frames = sound.shape[1]
    with tempfile.TemporaryDirectory(prefix="stemeditor-") as folder:
        path = Path(folder) / ("sound.mp3" if codec == "mp3" else "sound.m4a")
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libmp3lame" if codec == "mp3" else "aac", rate=RATE, layout="stereo")
            stream.bit_rate = kbps * 1000
            for start in range(0, frames, 1 << 16):
                piece = np.clip(sound[:, start : start + (1 << 16)], -1, 1)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout="stereo")
                frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        with av.open(str(path)) as container:
            pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
    made = np.concatenate(pieces, axis=1).astype(np.float32)
    return fit(_aligned(made, sound), frames)


def _aligned(made: Samples, sound: Samples) -> Samples:
    """Return a decoded sound without the codec's delay, found where the two correlate best."""
    from scipy.signal import correlate

    count = min(sound.shape[1], made.shape[1], 4 * RATE)
    start = int(np.abs(sound[:, : sound.shape[1] - count + 1 : 1]).sum(axis=0).argmax()) if count else 0
    start = min(start, sound.shape[1] - count)
    search = 4096
    piece = made[:, max(start - search, 0) : start + count + search].sum(axis=0)
    scores = correlate(piece, sound[:, start : start + count].sum(axis=0), mode="valid", method="fft")
    delay = int(scores.argmax()) - min(start, search)
    return made[:, delay:] if delay >= 0 else np.pad(made, ((0, 0), (-delay, 0)))


def scaled(sound: Samples, level_db: float) -> Samples:
    """Return the sound at an RMS over its loud half, in dB of full scale; silence stays."""
    power = np.square(sound[:, : sound.shape[1] // 4410 * 4410]).reshape(sound.shape[0], -1, 4410).mean(axis=(0, 2))
    if not power.size or power.max() < 1e-10:
        return sound
    level = math.sqrt(float(np.mean(np.sort(power)[len(power) // 2 :])))
    return sound * np.float32(10 ** (level_db / 20) / max(level, 1e-9))


def summed(sounds: Sequence[Samples], frames: int) -> Samples:
    """Return (2, frames): all of them at once; silence if there are none."""
    out = np.zeros((2, frames), np.float32)
    for sound in sounds:
        out += to_channels(sound, 2)
    return out
