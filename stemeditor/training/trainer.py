"""Learning: steps, averaged weights, validation, states from which it goes on as if it had never stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from stemeditor import memory
from stemeditor.errors import FileProblem, UserError
from stemeditor.nets import checkpoint
from stemeditor.nets.conv_tasnet import ConvTasNet
from stemeditor.nets.description import Description
from stemeditor.nets.masking import Masking, Sharing
from stemeditor.nets.sounding import Sounding
from stemeditor.progress import Progress
from stemeditor.training import curves, filters
from stemeditor.training.bank import Bank, fits
from stemeditor.training.corpus import RATE
from stemeditor.training.curves import BEST, LAST, STATE, Watched
from stemeditor.training.dataset import VOICE, Examples
from stemeditor.training.losses import Outcome, weighted
from stemeditor.training.plan import Plan

_KEEP_EVERY_S = 120.0
_ASKED_EVERY_S = 0.5
_SMOOTH = 0.98
_LEAST_POWER = 1e-5
_INNER: Final[Mapping[type[nn.Module], str]] = {Sharing: "draw", Masking: "parts", Sounding: "separated"}
"""What of a network is compiled, the narrower kinds first."""

_FILTER_REACH = 32
_VALIDATION_SEED = 0


class Trainer:
    """One training, at some step.

    Parameters
    ----------
    plan
        What is done. The folder `plan.output` holds everything that is kept; a state there is taken up.
    songs
        Files as `library` writes them; the last `plan.validation.songs` are for validation.
    device
        "auto", "cpu", "cuda" or "mps".
    backings
        Files of one stem: recordings without a voice.

    Raises
    ------
    UserError
        If there are too few songs, the device is not there, or the state is another plan's.
    """

    def __init__(self, plan: Plan, songs: Sequence[Path], device: str = "auto", backings: Sequence[Path] = ()) -> None:
        held = plan.validation.songs
        if len(songs) <= held:
            raise UserError(f"{len(songs)} songs are too few: {held} are kept for validation.", "Get more songs.")
        self.plan = plan
        self.device = chosen_device(device)
        self.step = 0
        self.seconds = 0.0
        self.best = float("-inf")
        training = plan.training
        frames = round(training.seconds * RATE)
        learned, validated = (songs[:-held], songs[-held:]) if held else (songs, [])
        examples = Examples(
            learned,
            frames,
            training.batch,
            training.seed,
            plan.augmentation,
            plan.stems,
            backings,
            training.backed if VOICE in plan.stems else 0.0,
        )
        self._source = Bank(examples, self.device) if fits(examples, self.device) else examples
        self._voice = plan.stems.index(VOICE) if VOICE in plan.stems else 0
        self._backed = bool(backings)
        self._watched = (
            Examples(validated, round(plan.validation.seconds * RATE), held, _VALIDATION_SEED, None) if held else None
        )
        torch.manual_seed(training.seed)
        self._arguments = {"stems": len(plan.stems), **plan.net.arguments}
        try:
            self.net = checkpoint.build(plan.net.type, self._arguments).to(self.device)
            self.average = checkpoint.build(plan.net.type, self._arguments).to(self.device).eval()
        except ValueError as problem:
            raise UserError(f"The network cannot be built: {problem}.", "See [net] in the configuration.") from problem
        if plan.net.start:
            self._begin_with(Path(plan.net.start).expanduser())
        self.average.load_state_dict(self.net.state_dict())
        self._optimiser = torch.optim.AdamW(
            _groups(self.net, training.weight_decay),
            lr=training.learning_rate,
            betas=(0.9, 0.98),
            fused=self.device.type == "cuda",
        )
        if training.compiled:
            # Without what surrounds it, which knows complex numbers; the names of its weights stay.
            for kind, inner in _INNER.items():
                if isinstance(self.net, kind):
                    setattr(self.net, inner, torch.compile(getattr(self.net, inner)))
                    break
        self._smooth: Tensor | None = None
        self._looks: list[Watched] = []
        plan.output.mkdir(parents=True, exist_ok=True)
        if (plan.output / STATE).is_file():
            self._resume()

    def run(self, progress: Progress) -> None:
        """Learn until the plan's last step; stopping keeps the state.

        Raises
        ------
        Cancelled
            If it is stopped; the next `Trainer` of the same plan goes on.
        """
        total = self.plan.training.steps
        kept = time.monotonic()
        memory.keep()
        with ThreadPoolExecutor(1, "examples") as pool:
            coming: Future[tuple[Any, Any]] = pool.submit(self._source.batch, self.step)
            asked, loss_now = float("-inf"), 0.0
            try:
                while self.step < total:
                    started = time.monotonic()
                    stems, joined = (torch.as_tensor(part).to(self.device) for part in coming.result())
                    coming = pool.submit(self._source.batch, self.step + 1)
                    loss = self._learn(self._brought(stems), joined)
                    self.step += 1
                    self._smooth = loss if self._smooth is None else self._smooth.lerp(loss, 1 - _SMOOTH)
                    self.seconds += time.monotonic() - started
                    if self.step % self.plan.validation.every == 0 or self.step == total:
                        progress.post(self._watch())
                    if time.monotonic() - kept > _KEEP_EVERY_S:
                        self.keep()
                        kept = time.monotonic()
                    if time.monotonic() - asked > _ASKED_EVERY_S:
                        # Seldom, because then a graphics card is waited for.
                        asked, loss_now = time.monotonic(), float(self._smooth)
                    progress.advance(self.step / total, f"step {self.step} of {total}, loss {loss_now:.4f}")
            finally:
                self.keep()

    def score(self) -> dict[str, float]:
        """Return the median SDR in dB of every stem on the songs kept for validation, of the averaged weights."""
        if self._watched is None:
            return {}
        stems = self._brought(torch.from_numpy(self._watched.batch(0).stems))
        return medians(self.average, stems, self.plan.stems, self.device, self.plan.net.rate)

    def _brought(self, stems: Tensor) -> Tensor:
        """Return stems at the rate of the network; they still add up."""
        rate = self.plan.net.rate
        if rate == RATE:
            return stems
        from torchaudio.functional import resample

        brought: Tensor = resample(stems, RATE, rate, lowpass_filter_width=_FILTER_REACH)
        return brought

    def keep(self) -> None:
        """Write the state from which another trainer goes on."""
        state = {
            "arguments": repr((self.plan.net, self.plan.training, self.plan.augmentation, self.plan.losses)),
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "smooth": None if self._smooth is None else float(self._smooth),
            "rows": [look.row for look in self._looks],
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        path = self.plan.output / STATE
        temporary = path.with_name(f"{path.name}.part")
        torch.save(state, temporary)
        temporary.replace(path)

    def _begin_with(self, path: Path) -> None:
        """Take the weights of a checkpoint: of the same network, or of a smaller one that this one grew from.

        Raises
        ------
        UserError
            If it is not there, or another network's.
        """
        start, _ = checkpoint.load(path)
        net = self.plan.net
        if net.ordered:
            if not isinstance(start, ConvTasNet):
                raise UserError(f"“{path.name}” has no filters that could be ordered.", "See [net].")
            start.order()
        grown = self.net.grown if isinstance(self.net, Masking) else ()
        weights = start.state_dict()
        if net.parts:
            weights = {name: value for name, value in weights.items() if name.split(".")[0] in net.parts}
        try:
            new, unknown = self.net.load_state_dict(weights, strict=False)
            if net.parts:
                fits = not unknown and {name.split(".")[0] for name in weights} == set(net.parts)
            else:
                fits = not unknown and all(name.startswith(grown) for name in new)
        except RuntimeError:
            fits = False
        if not fits:
            raise UserError(f"“{path.name}” holds another network than the plan's.", "See [net].")
        if net.frozen:
            for name, value in self.net.named_parameters():
                value.requires_grad_(bool(net.parts) and name.split(".")[0] not in net.parts)

    def _resume(self) -> None:
        path = self.plan.output / STATE
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.net.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self._optimiser.load_state_dict(state["optimiser"])
        except Exception as problem:
            raise FileProblem(
                f"The state in “{self.plan.output}” cannot be taken up ({problem}).",
                "Choose another output folder, or delete that one.",
            ) from problem
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.best, self._looks = float(state["best"]), [Watched.of(row) for row in state["rows"]]
        if state["smooth"] is not None:
            self._smooth = torch.tensor(state["smooth"], device=self.device)

    def _learn(self, stems: Tensor, joined: Tensor) -> Tensor:
        """Do one step; return the loss."""
        training = self.plan.training
        self.net.train()
        for group in self._optimiser.param_groups:
            group["lr"] = training.learning_rate * schedule(self.step, self.plan)
        with autocast(training.precision, self.device):
            known = joined if self._backed else None
            outcome = Outcome(self.net, stems, known, self._voice, self.plan.net.rate)
            loss = weighted(outcome, self.plan.losses)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), training.clip)
        self._optimiser.step()
        # The first steps are forgotten sooner.
        decay = min(training.average, (1 + self.step) / (10 + self.step))
        follow: Any = get_ema_multi_avg_fn
        follow(decay)(list(self.average.parameters()), list(self.net.parameters()), None)
        for kept, current in zip(self.average.buffers(), self.net.buffers(), strict=True):
            kept.copy_(current)
        return loss.detach()

    def _watch(self) -> Watched:
        scores = self.score()
        heard = [value for value in scores.values() if not math.isnan(value)]
        loss = 0.0 if self._smooth is None else float(self._smooth)
        mean = sum(heard) / len(heard) if heard else -loss
        look = Watched(self.step, self.seconds, loss, scores)
        self._looks.append(look)
        if mean > self.best:
            self.best = mean
            self.write(self.plan.output / BEST, scores)
        self.write(self.plan.output / LAST, scores)
        curves.write(self.plan.output, self._looks)
        if isinstance(self.average, ConvTasNet) and not self.average.strong:
            filters.write(self.plan.output, self.average, self.plan.net.rate)
        return look

    def write(self, path: Path, scores: Mapping[str, float]) -> None:
        """Write the averaged weights as a checkpoint."""
        plan = self.plan
        provenance: dict[str, Any] = {
            **plan.provenance,
            "steps": self.step,
            "hours of training": round(self.seconds / 3600, 2),
            "hours heard": round(self.step * plan.training.batch * plan.training.seconds / 3600, 1),
            "device": describe_device(self.device),
            "learned with": {
                "losses": dict(plan.losses),
                "batch": plan.training.batch,
                "seconds": plan.training.seconds,
                "learning rate": plan.training.learning_rate,
                "weights averaged": plan.training.average,
                "seed": plan.training.seed,
            },
            "validation": {name: round(value, 2) for name, value in scores.items()},
        }
        description = Description(
            plan.net.type, self._arguments, plan.stems, plan.net.rate, provenance, plan.training.seconds
        )
        checkpoint.save(path, self.average, description)


def schedule(step: int, plan: Plan) -> float:
    """Return the share of the highest learning rate at a step: up, level, and down at the end."""
    training = plan.training
    rising = (step + 1) / max(training.warm_up, 1)
    falling = (training.steps - step) / max(training.cool_down * training.steps, 1)
    return min(1.0, rising, falling)


def medians(
    net: nn.Module, stems: Tensor, names: tuple[str, ...], device: torch.device, rate: int = RATE
) -> dict[str, float]:
    """Return stem -> median over windows of one second of the plain signal-to-distortion ratio, dB.

    Windows in which the true stem is below -50 dBFS do not count.

    Parameters
    ----------
    net
        Takes (1, 2, frames).
    stems
        (songs, stems, 2, frames).
    names
        Of the stems.
    device
        Where the network is.
    rate
        Of the sound, Hz.
    """
    ratios = []
    with torch.inference_mode():
        for song in stems:
            found = net(song.sum(dim=0, keepdim=True).to(device))[0].to("cpu")
            error, power = (value.square().unfold(-1, rate, rate).sum(dim=(1, 3)) for value in (found - song, song))
            ratio = 10 * torch.log10(power / (error + _LEAST_POWER) + _LEAST_POWER)
            ratios.append(torch.where(power / (2 * rate) > _LEAST_POWER, ratio, torch.nan))
    middle = torch.nanmedian(torch.cat(ratios, dim=1), dim=1).values
    return {name: float(value) for name, value in zip(names, middle, strict=True)}


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which a network computes at the precision that is asked for."""
    half = precision == "bfloat16" or (precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported())
    return torch.autocast(device.type, torch.bfloat16, enabled=half)


def chosen_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is the fastest that is there.

    Raises
    ------
    UserError
        If it is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, present in there.items() if present)
    if not there.get(name, False):
        raise UserError(f"There is no device “{name}” here.", "Choose auto or cpu.")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return the device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type


def _groups(net: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Return parameters with and without weight decay: vectors are shifts and scales, and have none."""
    learning = [value for value in net.parameters() if value.requires_grad]
    matrices = [value for value in learning if value.ndim > 1]
    vectors = [value for value in learning if value.ndim <= 1]
    return [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0.0}]
