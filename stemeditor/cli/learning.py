"""The verbs that teach: train a network, and make songs to train with."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from stemeditor.cli.terminal import bars, listing, say, show
from stemeditor.progress import Part

_Corpus = Annotated[str, typer.Option("--corpus", help="Folder of recordings and scores.", metavar="DIR")]
_Songs = Annotated[Path | None, typer.Option("--songs", help="Folder where made songs are kept.", metavar="DIR")]


def train(
    config: Annotated[Path, typer.Argument(help="A training configuration (TOML).")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of states and the network.", metavar="DIR")
    ] = None,
    corpus: _Corpus = "",
    songs: _Songs = None,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda or mps.")] = "auto",
    make_only: Annotated[bool, typer.Option("--make-only", help="Make or convert the songs, and no more.")] = False,
    install: Annotated[
        str, typer.Option("--install", help="Name under which the network can then be chosen.", metavar="NAME")
    ] = "",
) -> None:
    """Train a network. Stop it at any moment: the same command goes on from there."""
    from stemeditor.training.gathering import SHARE_OF_GATHERING, gathered
    from stemeditor.training.plan import read

    plan = read(config)
    if output is not None:
        plan = replace(plan, output=output)
    kept = replace(plan.songs, folder=songs or plan.songs.folder, corpus=corpus or plan.songs.corpus)
    plan = replace(plan, songs=kept)
    # A machine that is taken away says so by this signal; the state is kept as after Ctrl+C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with bars(False) as bar, bar(config.stem) as progress:
            files, backings = gathered(plan, Part(progress, 0.0, SHARE_OF_GATHERING))
            if plan.songs.data_sets and not plan.songs.corpus:
                say(f"{len(files)} songs with true stems")
            if make_only:
                return
            from stemeditor.training.curves import BEST, CURVES, FIGURE, LAST
            from stemeditor.training.trainer import Trainer

            trainer = Trainer(plan, files, device, backings)
            trainer.run(Part(progress, SHARE_OF_GATHERING, 1.0))
    finally:
        signal.signal(signal.SIGTERM, before)
    names = ", ".join((BEST, LAST, CURVES, FIGURE))
    print(f"{trainer.step} steps in {trainer.seconds / 3600:.1f} h; {names} are in {plan.output}")
    if install:
        from stemeditor.jobs.models import prepare
        from stemeditor.methods import trained

        key = trained.install(plan.output / BEST, install)
        with bars(False) as bar, bar(key) as progress:
            prepare(key, progress)
        print(f"It can be chosen as {key}, here and in the window.")


def networks(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the networks that can be trained; a configuration names one as its type."""
    from stemeditor.nets.catalogue import KINDS

    if as_json:
        rows = [
            {"key": key, "name": kind.name, "sentence": kind.sentence, "source": kind.source, "speed": kind.speed}
            for key, kind in KINDS.items()
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = listing()
    for key, kind in KINDS.items():
        table.add_row(key, f"{kind.name}. {kind.sentence} [dim]({kind.speed:.3g}x; {kind.source})[/dim]")
    show(table)
    print("Speed is seconds of song a second on two cores, of a network of the usual size.")


def songs(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the songs.", metavar="DIR")],
    corpus: Annotated[str, typer.Option("--corpus", help="Folder of recordings and scores.", metavar="DIR")],
    count: Annotated[int, typer.Option("--count", help="How many.", min=1)] = 100,
    seconds: Annotated[float, typer.Option("--seconds", help="How long each.", min=4.0)] = 30.0,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, other songs.")] = 1,
    sound_font: Annotated[
        list[str] | None, typer.Option("--sound-font", help="A General MIDI sound font, played by FluidSynth.")
    ] = None,
) -> None:
    """Make songs as networks are trained with: to hear (FLAC, song and stems) and to look at (a sheet of pictures)."""
    from stemeditor.training import library, sheet
    from stemeditor.training.songs import Recipe

    recipe = Recipe(Path(corpus).expanduser(), seconds, tuple(sound_font or ()))
    with bars(False) as bar, bar(f"{count} songs") as progress:
        library.make(output / "arrays", recipe, seed, count, Part(progress, 0.0, 0.8))
        files = [library.song_path(output / "arrays", number) for number in range(count)]
        pages = sheet.write(files, output, Part(progress, 0.8, 1.0))
    print(f"{count} songs and {pages} sheets are in {output}")
