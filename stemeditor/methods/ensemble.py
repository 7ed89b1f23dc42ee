"""Several methods on one song, and the mean of what they give: of waves, of masks, or of levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemeditor import threads
from stemeditor.audio.buffer import Audio
from stemeditor.audio.stft import Spectra, Stft
from stemeditor.methods import runner
from stemeditor.methods.base import Method, MethodInfo, Missing, Needy, Param, Params, Stems, Warmable
from stemeditor.methods.runner import Piece
from stemeditor.methods.segments import Segment, plan
from stemeditor.methods.spectra import all_masked, transform_for
from stemeditor.progress import Progress

JOIN = "+"
"""What stands between the keys of an ensemble's members."""

WAVES, MASKS, LEVELS = "waves", "masks", "levels"

_BLOCK_S = 6.0
_OVERLAP_S = 0.5
_WINDOW_S = 0.093
_LEAST = 1e-8
_QUIETEST = np.float32(1e-3)
"""Share of the song below which no member counts a stem as silent: it could silence it all alone."""

Levels: TypeAlias = NDArray[np.float32]
"""Magnitudes, (channels, bins, hops)."""


class Ensemble:
    """The mean of several methods, stem by stem; a stem that only some of them give is the mean of those.

    Parameters
    ----------
    members
        Two methods or more.

    References
    ----------
    S. Uhlich et al., Improving music source separation based on deep neural networks through data augmentation and
    network blending, ICASSP 2017, section 2.3: the mean of two networks is better than either.
    """

    def __init__(self, members: Sequence[Method]) -> None:
        self.members = tuple(members)
        infos = [member.info for member in members]
        stems = tuple(dict.fromkeys(name for info in infos for name in info.stems))
        # Whether what each member gives adds up to the song, so that the mean can.
        self._complete = all(info.rest for info in infos) and all(set(info.stems) == set(stems) for info in infos)
        how = Param(
            "how",
            "Mean of",
            WAVES,
            "Waves keep what only one of them found. Masks leave no more in a stem than there is. Levels keep what all "
            "of them found: fewest leaks, and best where they work in different ways.",
            choices=((WAVES, "waves"), (MASKS, "masks"), (LEVELS, "levels")),
        )
        weights = tuple(
            Param(
                f"{info.key}_{stem}",
                f"{info.name}: {stem}",
                1.0,
                f"How much {info.name} counts in the {stem}: raise it where it is the better one.",
                0.0,
                1.0,
            )
            for info in infos
            for stem in info.stems
        )
        self.info = MethodInfo(
            key=JOIN.join(info.key for info in infos),
            name=" + ".join(info.name for info in infos),
            family="ensemble",
            sentence=f"The mean of {', '.join(info.name for info in infos)}: slower than each, and often cleaner.",
            source="; ".join(dict.fromkeys(info.source for info in infos)),
            stems=stems,
            needs="a download" if any(info.needs != "nothing" for info in infos) else "nothing",
            segment_s=max(info.segment_s or 0.0 for info in infos) if all(info.segment_s for info in infos) else None,
            speed=1.0 / sum(1.0 / info.speed for info in infos),
            stereo=any(info.stereo for info in infos),
            instead=next((info.instead for info in infos if info.instead), ""),
            params=(how, *weights),
        )

    def missing(self) -> Missing | None:
        """Return what the first member that lacks something lacks, or None."""
        return next(
            (
                lacking
                for member in self.members
                if isinstance(member, Needy) and (lacking := member.missing()) is not None
            ),
            None,
        )

    def warm(self) -> None:
        """See `Warmable`."""
        for member in self.members:
            if isinstance(member, Warmable):
                member.warm()

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """Return the stems of a short song; see `Method`."""
        pieces = list(self.stream(mix, params, progress, 0))
        return {name: np.concatenate([piece.stems[name] for piece in pieces], axis=1) for name in self.info.stems}

    def stream(self, song: Audio, params: Params, progress: Progress, done: int) -> Iterator[Piece]:
        """Yield the mean, piece by piece, as far as all members have come; see `runner.Composite`."""
        shares = self._shares(params)
        if params["how"] == WAVES:
            found = self._abreast(song, progress, done)
            yield from (Piece(start, self._mean(stems, shares)) for start, stems in found)
            return
        # The blocks lie where they lie when nobody stops: what goes on sounds as if it had never stopped.
        every = plan(song.frames, int(_BLOCK_S * song.rate), int(_OVERLAP_S * song.rate))
        blocks = [segment for segment in every if segment.stop > done]
        found = self._abreast(song, progress, blocks[0].start if blocks else done)
        if params["how"] == MASKS:
            means = ((start, [self._mean(stems, shares)]) for start, stems in found)
            pieces = _by_blocks(song, means, lambda mix, one: masked(mix, one[0], progress), blocks)
        else:
            pieces = _by_blocks(song, found, lambda mix, each: agreed(mix, each, shares, progress), blocks)
        yield from _behind_frame(pieces, done)

    def _abreast(self, song: Audio, progress: Progress, begin: int) -> Iterator[tuple[int, list[Stems]]]:
        runs = [map(runner.stretch_of, runner.stream(song, member, {}, progress, begin)) for member in self.members]
        return runner.abreast(runs, begin)

    def _shares(self, params: Params) -> Mapping[str, list[float]]:
        """Return stem -> how much each member counts; those that do not give it, nothing."""
        shares = {}
        for stem in self.info.stems:
            row = [float(params.get(f"{member.info.key}_{stem}", 0.0)) for member in self.members]
            if not any(row):
                row = [1.0 if stem in member.info.stems else 0.0 for member in self.members]
            shares[stem] = [weight / sum(row) for weight in row]
        return shares

    def _mean(self, found: list[Stems], shares: Mapping[str, list[float]]) -> Stems:
        mean: Stems = {
            stem: np.asarray(
                sum(stems[stem] * np.float32(share) for stems, share in zip(found, row, strict=True) if share),
                np.float32,
            )
            for stem, row in shares.items()
        }
        if self._complete:
            # Members that count differently from stem to stem leave a little of the song, or take too much: all stems
            # bear it alike, as the smallest change that mends it.
            song = sum(samples.astype(np.float64) for samples in found[0].values())
            left = (song - sum(samples.astype(np.float64) for samples in mean.values())) / len(mean)
            mean = {name: np.asarray(samples + left, np.float32) for name, samples in mean.items()}
        return mean


def _by_blocks(
    song: Audio,
    found: Iterator[tuple[int, list[Stems]]],
    combine: Callable[[Audio, list[Stems]], Stems],
    blocks: Sequence[Segment],
) -> Iterator[Piece]:
    """Yield what `combine` makes of the song and what was found in it, in blocks that fade into each other."""
    waiting: list[Stems] = []
    begin = blocks[0].start if blocks else 0
    carried: Stems = {}
    for segment in blocks:
        while begin + (runner.length_of(waiting[0]) if waiting else 0) < segment.stop:
            _, pieces = next(found)
            waiting = [_behind(*pair) for pair in zip(waiting, pieces, strict=True)] if waiting else pieces
        skipped = segment.start - begin
        waiting = [{name: samples[:, skipped:] for name, samples in stems.items()} for stems in waiting]
        begin += skipped
        block = [{name: samples[:, : segment.frames] for name, samples in stems.items()} for stems in waiting]
        yield _faded(combine(song.slice(segment.start, segment.stop), block), segment, carried)


def _behind_frame(pieces: Iterator[Piece], done: int) -> Iterator[Piece]:
    """Yield of pieces what lies behind a frame."""
    for piece in pieces:
        early = max(done - piece.start, 0)
        if early < runner.length_of(piece.stems):
            yield Piece(piece.start + early, {name: samples[:, early:] for name, samples in piece.stems.items()})


def _behind(first: Stems, second: Stems) -> Stems:
    return {name: np.concatenate([samples, second[name]], axis=1) for name, samples in first.items()}


def _faded(stems: Stems, segment: Segment, carried: Stems) -> Piece:
    final = segment.final - segment.start
    ready: Stems = {}
    for name, samples in stems.items():
        sound = samples * segment.weights
        if name in carried:
            sound[:, : carried[name].shape[1]] += carried[name]
        ready[name], carried[name] = sound[:, :final], sound[:, final:]
    return Piece(segment.start, ready)


def masked(mix: Audio, stems: Stems, progress: Progress) -> Stems:
    """Return the song through masks: each point is shared out by how strong the stems, and what they leave, are there.

    Parameters
    ----------
    mix
        (channels, frames).
    stems
        Guesses of the same shape.
    progress
        Checked between stems.
    """
    transform = transform_for(mix.rate, _WINDOW_S)
    sound = np.asarray(mix.samples, np.float32)
    whole = transform.forward(sound)
    left = sound - np.asarray(sum(stems.values()), np.float32)
    found = threads.each(lambda samples: np.abs(transform.forward(samples)) ** 2, (*stems.values(), left), progress)
    total = np.sum(found, axis=0) + np.float32(_LEAST**2)
    powers = dict(zip(stems, found, strict=False))
    for power in powers.values():
        power /= total
    return all_masked(whole, powers, transform, mix, progress)


def agreed(mix: Audio, found: Sequence[Stems], shares: Mapping[str, Sequence[float]], progress: Progress) -> Stems:
    """Return the song shared out by the geometric mean of what several methods take for each stem's level.

    A point goes to a stem as far as all of them hear it there: the product of experts, each of whom may object.

    Parameters
    ----------
    mix
        (channels, frames).
    found
        Each method's stems, of the same shape.
    shares
        Stem -> how much each method counts; they add up to 1.
    progress
        Checked between stems.

    References
    ----------
    G. E. Hinton, Training products of experts by minimizing contrastive divergence, Neural Computation 14, 2002.
    """
    transform = transform_for(mix.rate, _WINDOW_S)
    sound = np.asarray(mix.samples, np.float32)
    whole = transform.forward(sound)
    level = np.abs(whole)
    least = _QUIETEST * level + np.float32(_LEAST)

    def weighed(spectra: Spectra, share: float) -> Levels:
        heard = np.abs(spectra)
        np.maximum(heard, least, out=heard)
        return np.multiply(np.log(heard, out=heard), np.float32(share), out=heard)

    guesses = {name: np.zeros_like(level) for name in shares}
    lefts = []
    for member, stems in enumerate(found):
        given = {name: np.asarray(stems[name], np.float32) for name in shares if name in stems}
        left = sound - np.asarray(sum(given.values()), np.float32)
        quiet = np.abs(left).max(initial=0.0) <= _QUIETEST * np.abs(sound).max(initial=0.0)
        lefts.append(None if quiet else left)
        for name, spectra in _spectra(transform, given, whole if quiet else None):
            progress.check()
            if shares[name][member]:
                guesses[name] += weighed(spectra, shares[name][member])
    for guess in guesses.values():
        np.exp(guess, out=guess)
    total: Levels = np.sum(list(guesses.values()), axis=0)
    complete = all(left is None for left in lefts)
    if not complete:
        # Members that do not give all of the song agree on how much they leave, too.
        rest = np.zeros_like(level)
        for part in lefts:
            progress.check()
            rest += weighed(np.zeros_like(whole) if part is None else transform.forward(part), 1.0 / len(lefts))
        total += np.exp(rest, out=rest)
    out: Stems = {}
    for name, guess in guesses.items():
        progress.check()
        if complete and len(out) == len(guesses) - 1:
            out[name] = sound - np.asarray(sum(out.values()), np.float32)
        else:
            guess /= total
            out[name] = transform.inverse(whole, mix.frames, guess)
    return out


def _spectra(transform: Stft, stems: Stems, whole: Spectra | None) -> Iterator[tuple[str, Spectra]]:
    """Yield the spectra of stems; of the last, if they add up to a song, as what the others leave of its spectra."""
    unseen = None if whole is None else whole.copy()
    for number, (name, samples) in enumerate(stems.items(), 1):
        if unseen is not None and number == len(stems):
            yield name, unseen
            return
        spectra = transform.forward(samples)
        if unseen is not None:
            unseen -= spectra
        yield name, spectra
