"""What stretching costs and what it does to strokes, with the search for attacks and without, in turn.

.venv/bin/python tests/benchmarks/pace.py FOLDER [--seconds 20]

FOLDER holds the true stems of a song, one of them called drums. Printed are, for each pace: how many times faster than
the stretched song all stems together are made; how far below the stretched song lies what its stems lack of it; how
much louder it is before a stroke than it was, relative to the stroke; and how loud the strokes themselves are.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import soundfile

from stemeditor import threads
from stemeditor.audio import stretch
from stemeditor.audio.buffer import Audio, Samples
from stemeditor.audio.stretch import Pace
from stemeditor.mixing.mix import Mix, Strip
from stemeditor.mixing.paced import stretched

PACES = (Pace(0.5), Pace(0.75), Pace(1.25), Pace(1.0, 4.0), Pace(0.75, -2.0))
_STEP_S = 0.001


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    threads.rest()
    files = sorted(path for path in given.folder.glob("*.*") if path.stem not in ("mixture", "README"))
    rate = soundfile.info(files[0]).samplerate
    stems = {
        path.stem: soundfile.read(path, round(given.seconds * rate), dtype="float32", always_2d=True)[0].T.copy()
        for path in files
    }
    sounds = {"song": np.sum(list(stems.values()), axis=0, dtype=np.float32), **stems}
    strips = tuple(Strip(name, Audio(sound, rate), muted=name == "song") for name, sound in sounds.items())
    mix = Mix(strips, 1.0, rate, sounds["song"].shape[1])
    rise = stretch._RISE
    print("pace | times real time | stems lack | before strokes | strokes")
    for pace in PACES:
        for word, least in (("", rise), (" (no attacks)", 1e9)):
            stretch._RISE = least
            began = time.perf_counter()
            parts = list(stretched(mix, pace, 4096))
            took = time.perf_counter() - began
            heard = dict(zip(sounds, np.concatenate(parts, axis=2), strict=True))
            lack = np.sum([heard[name] for name in stems], axis=0) - heard["song"]
            before, strokes = _strokes(stems["drums"], heard["drums"], rate, pace)
            print(
                f"{pace.speed * 100:.0f} % {pace.semitones:+.0f}{word} | {heard['song'].shape[1] / rate / took:.0f} | "
                f"{_db(lack) - _db(heard['song']):.0f} dB | {before:+.1f} dB | {strokes:+.1f} dB"
            )
    stretch._RISE = rise


def _db(sound: Samples) -> float:
    return float(10 * np.log10(np.square(sound, dtype=np.float64).mean() + 1e-30))


def _envelope(sound: Samples, rate: int) -> np.ndarray:
    """Return the energy of the slope of both sides, a value a millisecond."""
    step = round(_STEP_S * rate)
    slope = np.square(np.diff(sound.mean(axis=0)))
    count = len(slope) // step
    return slope[: count * step].reshape(count, step).mean(axis=1) + 1e-12


def _strokes(drums: Samples, heard: Samples, rate: int, pace: Pace) -> tuple[float, float]:
    """Return medians over the strokes: what came before in dB, and the strokes, both against what they were."""
    own, other = _envelope(drums, rate), _envelope(heard, rate)
    decades = np.log10(own + 1e-9)
    rises = decades[3:] - decades[:-3]
    found = []
    for at in np.flatnonzero(rises[40:-60] > 0.8) + 40:
        if rises[at] < rises[at - 40 : at + 41].max():
            continue
        here, there = at + 3, round((at + 3) / pace.speed)
        if there + 25 >= len(other):
            continue
        stroke, stroke_now = own[here : here + 15].max(), other[there - 3 : there + 25].max()
        before, before_now = own[here - 30 : here - 4].mean(), other[there - 30 : there - 4].mean()
        found.append((10 * np.log10(before_now / stroke_now * stroke / before), 10 * np.log10(stroke_now / stroke)))
    before_db, stroke_db = np.median(found, axis=0)
    return float(before_db), float(stroke_db)


if __name__ == "__main__":
    main()
