"""Songs in the memory of a graphics card, where a batch is put together in a hundredth of the time."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor

from stemeditor.training.dataset import Examples, Stretch
from stemeditor.training.library import FULL_SCALE, open_song

log = logging.getLogger(__name__)

_REACH = 12
"""Frames on either side that a frame between two is computed from."""

_TOP = 0.97
"""Where the filter begins that keeps what is played faster from folding, of the highest frequency."""

_SHARE = 0.5
"""Of the memory, at most: the network learns in the rest."""


class Bank:
    """The songs of `Examples`, and its batches, on a device.

    Filters work on the whole stretch at once, over its spectrum, so that what rings at its end is heard at its begin; a
    frame between two is the sum of 24 around it. Both differ from `Examples.batch` by less than anyone hears.

    Parameters
    ----------
    examples
        What is drawn, and from which files.
    device
        Where the songs go.
    """

    def __init__(self, examples: Examples, device: torch.device) -> None:
        self._examples = examples
        self._device = device
        # The same file may stand there many times, to be drawn more often.
        songs = {path: torch.from_numpy(np.array(open_song(path))).to(device) for path in dict.fromkeys(examples.files)}
        self._songs = [songs[path] for path in examples.files]

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Return what `Examples.batch` returns, as tensors on the device."""
        examples = self._examples.drawn(number)
        parts = [part for example in examples for part in example]
        sound = changed(self._varied(parts), parts)
        joined = torch.from_numpy(self._examples.joined(examples)).to(self._device)
        return sound.reshape(len(examples), -1, *sound.shape[1:]), joined

    def _varied(self, parts: list[Stretch | None]) -> Tensor:
        """Return (parts, 2, frames): all stretches, each played so that it lasts as long as an example."""
        frames = self._examples.frames
        longest = max([frames, *(part.frames for part in parts if part is not None)])
        sound = torch.zeros(len(parts), 2, longest, device=self._device)
        for row, part in zip(sound, parts, strict=True):
            if part is not None:
                song = self._songs[part.file]
                row[:, : part.frames] = song[part.stem, :, part.start : part.start + part.frames]
        sound /= FULL_SCALE
        moved = [at for at, part in enumerate(parts) if part is not None and part.frames != frames]
        if moved:
            speeds = torch.tensor([parts[at].frames / frames for at in moved], device=self._device)  # type: ignore[union-attr]
            rows = torch.tensor(moved, device=self._device)
            found = played(sound[rows], speeds, frames)
            sound = sound[:, :, :frames].contiguous()
            sound[rows] = found
        return sound


def played(sound: Tensor, speeds: Tensor, frames: int) -> Tensor:
    """Return (rows, channels, frames) of (rows, channels, longer), each row played so many times as fast.

    References
    ----------
    J. O. Smith, P. Gossett, A flexible sampling-rate conversion method, ICASSP 1984.
    """
    at = torch.arange(frames, device=sound.device) * speeds[:, None].double()
    whole = at.floor()
    between = (at - whole).float()
    first = whole.long()
    # Slower than it was: nothing folds.
    top = _TOP / speeds[:, None].clamp_min(1.0)
    out = torch.zeros(*sound.shape[:2], frames, device=sound.device)
    total = torch.zeros_like(between)
    for tap in range(1 - _REACH, _REACH + 1):
        away = tap - between
        weight = torch.sinc(away * top) * torch.cos(away * (np.pi / (2 * _REACH))).square()
        place = (first + tap).clamp(0, sound.shape[2] - 1)[:, None].expand(-1, sound.shape[1], -1)
        out += sound.gather(2, place) * weight[:, None]
        total += weight
    return out / total[:, None]


def changed(sound: Tensor, parts: list[Stretch | None]) -> Tensor:
    """Return (parts, 2, frames) after the change of each part; see `augment.changed`."""
    frames = sound.shape[-1]
    changes = [None if part is None else part.change for part in parts]
    most = max([0, *(len(change.sections) for change in changes if change is not None)])
    matrices = np.stack([np.eye(2, dtype=np.float32) if change is None else change.matrix for change in changes])
    sections = np.tile([1.0, 0.0, 0.0, 1.0, 0.0, 0.0], (len(parts), most, 1))
    for row, change in zip(sections, changes, strict=True):
        if change is not None:
            row[: len(change.sections)] = change.sections
    sound = torch.from_numpy(matrices).to(sound.device) @ sound
    if not most:
        return sound
    spectra = torch.fft.rfft(sound)
    given = torch.from_numpy(sections).to(sound.device)
    turn = torch.exp(
        -2j * torch.pi / frames * torch.arange(spectra.shape[-1], device=sound.device, dtype=torch.float64)
    )
    # In double precision: near 0 Hz the three terms of a section take each other away.
    turns = torch.stack([torch.ones_like(turn), turn, turn.square()])
    for at in range(most):
        section = given[:, at].to(turns.dtype)
        spectra *= ((section[:, :3] @ turns) / (section[:, 3:] @ turns))[:, None]
    filtered: Tensor = torch.fft.irfft(spectra, frames)
    return filtered


def fits(examples: Examples, device: torch.device) -> bool:
    """Whether the songs fit in the memory of a graphics card, beside a network that learns."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    wanted = sum(open_song(path).nbytes for path in set(examples.files))
    if wanted > _SHARE * free:
        log.info(
            "The songs (%.1f GB) do not fit on the graphics card: batches are made by the processor.", wanted / 1e9
        )
        return False
    return True
