"""The verbs that say how good: evaluate, compare, and the parts of a factorisation."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemeditor import paths
from stemeditor.cli.terminal import bars, say
from stemeditor.errors import UserError
from stemeditor.progress import Part, Progress

if TYPE_CHECKING:
    from stemeditor.evaluation.datasets import Reference
    from stemeditor.evaluation.protocol import Protocol, Table

_MOST_DIFFERENCES = 12

_Window = Annotated[float, typer.Option("--window", help="Seconds a window; museval's standard is 1.", min=0.05)]
_Hop = Annotated[
    float, typer.Option("--hop", help="Seconds from window to window; 0 for the window's length.", min=0.0)
]
_Kind = Annotated[str, typer.Option("--kind", help="Name of the data set: MUSDB18, MUSDB18-HQ or MoisesDB.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_Csv = Annotated[Path | None, typer.Option("--csv", help="Write one line a song, method and stem.", metavar="FILE")]


def evaluate(
    reference: Annotated[Path, typer.Argument(help="Folder of true stems, or a data set.", metavar="REFERENCE_DIR")],
    estimate: Annotated[Path, typer.Argument(help="The same with estimates.", metavar="ESTIMATE_DIR")],
    window: _Window = 4.0,
    hop: _Hop = 0.0,
    kind: _Kind = "",
    csv: _Csv = None,
    as_json: _Json = False,
) -> None:
    """Score stems against true ones: BSSEval v4 and SI-SDR, medians over windows with sound."""
    from stemeditor.evaluation.datasets import find

    true, guesses = find(reference, kind), {song.name: song for song in find(estimate)}
    if len(true) == len(guesses) == 1:
        guesses = {true[0].name: next(iter(guesses.values()))}
    pairs = [(song, guesses[song.name]) for song in true if song.name in guesses]
    if not pairs:
        raise UserError("No song of the one folder is in the other.", "Folders of the same song have the same name.")
    protocol = _protocol(window, hop)
    with bars(as_json) as bar:
        table = _scored(pairs, protocol, bar)
    _write(csv, table.to_csv)
    if as_json:
        print(_evaluation(table, len(pairs) > 1))
    else:
        _show_stems(table, next(iter(table.methods)))


def compare(
    songs: Annotated[list[Path], typer.Argument(help="Songs, folders of true stems, or data sets.", metavar="SONG...")],
    method: Annotated[str, typer.Option("-m", "--method", help="Keys with commas, or “all”.")] = "all",
    reference: Annotated[Path | None, typer.Option(help="Folder of true stems of the one song.", metavar="DIR")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write all stems there.", metavar="DIR")] = None,
    start: Annotated[float, typer.Option("--from", help="Begin of the stretch, seconds.", min=0.0)] = 0.0,
    stop: Annotated[
        float, typer.Option("--to", help="End of the stretch, seconds; 0 for the song's end.", min=0.0)
    ] = 0.0,
    oracles: Annotated[bool, typer.Option("--oracles", help="Add ideal masks, and the song itself.")] = False,
    window: _Window = 4.0,
    hop: _Hop = 0.0,
    kind: _Kind = "",
    csv: _Csv = None,
    figure: Annotated[Path | None, typer.Option(help="Draw quality and speed (PNG, SVG, PDF).", metavar="FILE")] = None,
    as_json: _Json = False,
) -> None:
    """Run methods side by side: their sound, the time they take, and scores where true stems are known."""
    from stemeditor.evaluation.oracle import ORACLES
    from stemeditor.evaluation.protocol import merged
    from stemeditor.methods import registry

    keys = registry.ready() if method == "all" else tuple(key.strip() for key in method.split(",") if key.strip())
    for key in keys:
        if key not in ORACLES:
            registry.load(key)
    if oracles:
        keys += tuple(key for key in ORACLES if key not in keys)
    if reference is not None and len(songs) != 1:
        raise UserError("One folder of true stems is for one song.", "Name one song, or a data set as the song.")
    protocol = _protocol(window, hop)
    tables: list[Table] = []
    troubles: dict[str, str] = {}
    with bars(as_json) as bar:
        for path in songs:
            for name, song in _contents(path, reference, kind):
                with bar(name) as progress:
                    table = _compared(name, song, keys, start, stop, protocol, output, troubles, progress)
                tables.append(table)
    table = merged(tables)
    _write(csv, table.to_csv)
    if figure is not None:
        from stemeditor.evaluation.figures import quality_figure

        quality_figure(table).savefig(figure)
    if as_json:
        print(table.to_json())
    else:
        _show_methods(table, keys)
        for text in troubles.values():
            say(text)


def parts(
    song: Annotated[Path, typer.Argument(help="A song.")],
    method: Annotated[str, typer.Option("-m", "--method", help="A method of the family factorisation.")] = "nmf",
    as_json: _Json = False,
) -> None:
    """List the parts a factorisation finds in a song, what is measured of each, and the stem it is put into."""
    from stemeditor.jobs.parts import PartsRequest, list_parts
    from stemeditor.jobs.tasks import OpenRequest, open_song

    folder = paths.cache_folder() / "session"
    with bars(as_json) as bar, bar(song.name) as progress:
        opened = open_song(OpenRequest(song, folder), Part(progress, 0.0, 0.1))
        found = list_parts(PartsRequest(opened, method), Part(progress, 0.1, 1.0)).components
    if as_json:
        print(json.dumps([asdict(part) for part in found], indent=1))
        return
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(box=None, pad_edge=False, show_edge=False)
    for head in ("part", "stem", "share", "percussive", "register", "voicing", "place"):
        grid.add_column(head, justify="left" if head == "stem" else "right")
    for part in sorted(found, key=lambda part: -part.share):
        grid.add_row(
            str(part.number),
            part.stem,
            f"{100 * part.share:.1f} %",
            f"{part.percussive:.2f}",
            f"{part.register_hz:.0f} Hz",
            f"{part.voicing:.2f}",
            f"{part.place:+.2f}",
        )
    Console().print(grid)
    print(f'Move them with: stemeditor separate … -m {method} --param overrule="3 vocals, 7 drums"')


def _protocol(window: float, hop: float) -> Protocol:
    from stemeditor.evaluation.protocol import Protocol

    return Protocol(window, hop or window)


def _contents(path: Path, reference: Path | None, kind: str) -> Iterable[tuple[str, Path | Reference]]:
    """Yield the songs at a path: a file by itself, or the songs with true stems that lie there."""
    from stemeditor.audio.stem_file import is_stem_file
    from stemeditor.evaluation.datasets import Reference, Source, find

    if reference is not None:
        (true,) = find(reference, kind)[:1]
        yield path.stem, Reference(path.stem, true.stems, Source(path))
    elif path.is_file() and not is_stem_file(path):
        yield path.stem, path
    else:
        for song in find(path, kind):
            yield song.name, song


def _compared(
    name: str,
    song: Path | Reference,
    keys: tuple[str, ...],
    start: float,
    stop: float,
    protocol: Protocol,
    output: Path | None,
    troubles: dict[str, str],
    progress: Progress,
) -> Table:
    from stemeditor.audio import files
    from stemeditor.evaluation.datasets import load
    from stemeditor.evaluation.oracle import ORACLES
    from stemeditor.jobs.compare import CompareRequest
    from stemeditor.jobs.compare import compare as run
    from stemeditor.jobs.tasks import OpenRequest, open_song

    folder = paths.cache_folder() / "session"
    if isinstance(song, Path):
        audio, true = open_song(OpenRequest(song, folder), Part(progress, 0.0, 0.1)).sound.audio, {}
        keys = tuple(key for key in keys if key not in ORACLES)
    else:
        loaded = load(song, folder, Part(progress, 0.0, 0.1))
        audio, true = loaded.song, dict(loaded.stems)
    request = CompareRequest(
        name, audio, keys, folder, true, round(start * audio.rate), round(stop * audio.rate), {}, protocol
    )
    found = run(request, Part(progress, 0.1, 1.0))
    for contender in found.contenders:
        if contender.trouble:
            troubles[contender.method] = f"{name}: {contender.trouble}"
        if output is not None:
            for stem, sound in contender.stems.items():
                target = output / name / contender.method / f"{stem}.wav"
                target.parent.mkdir(parents=True, exist_ok=True)
                pieces = (sound.slice(at, at + (1 << 18)).samples for at in range(0, sound.frames, 1 << 18))
                files.write(target, pieces, sound.rate, sound.channels, files.encoding("wav"), "float", overwrite=True)
    return found.table


def _scored(pairs: list[tuple[Reference, Reference]], protocol: Protocol, bar: Any) -> Table:
    import numpy as np

    from stemeditor.audio.convert import fit
    from stemeditor.evaluation.datasets import load
    from stemeditor.evaluation.protocol import Table, score_stems

    folder = paths.cache_folder() / "session"
    scores: list[Any] = []
    for true_song, guess_song in pairs:
        with bar(true_song.name) as progress:
            true = load(true_song, folder, Part(progress, 0.0, 0.2))
            guess = load(guess_song, folder, Part(progress, 0.2, 0.4))
            if guess.song.rate != true.song.rate:
                raise UserError(
                    f"The estimates of “{true_song.name}” have {guess.song.rate} samples a second, the true stems "
                    f"{true.song.rate}.",
                    "Export them at the song's own rate.",
                )
            common = [name for name in true.stems if name in guess.stems]
            if not common:
                raise UserError(
                    f"“{true_song.name}”: no stem is in both folders.", f"The true ones are {', '.join(true.stems)}."
                )
            guesses = {name: fit(np.asarray(guess.stems[name].samples), true.song.frames) for name in common}
            truths = {name: np.asarray(part.samples) for name, part in true.stems.items()}
            scores += score_stems(
                true_song.name, "estimate", truths, guesses, true.song.rate, protocol, Part(progress, 0.4, 1.0)
            )
    return Table(tuple(scores), (), protocol)


def _evaluation(table: Table, several: bool) -> str:
    """Return the document of `evaluate`: medians, windows counted over all songs."""
    metrics = ("sdr", "sir", "sar", "isr", "si_sdr", "snr", "mse")
    medians = json.loads(table.to_json())["medians"]["estimate"]["stems"]
    document: dict[str, Any] = {
        "stems": {stem: {metric: medians[stem][metric] for metric in metrics} for stem in table.stems},
        "windows": {stem: sum(score.windows for score in table.scores if score.stem == stem) for stem in table.stems},
    }
    if several:
        document["songs"] = json.loads(table.to_json())["scores"]
    return json.dumps(document, indent=1, ensure_ascii=False)


def _show_stems(table: Table, method: str) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(box=None, pad_edge=False, show_edge=False)
    metrics = ("sdr", "sir", "sar", "isr", "si_sdr")
    for head in ("stem", *metrics, "windows"):
        grid.add_column(head.upper().replace("_", "-") if head in metrics else head, justify="right")
    for stem in table.stems:
        windows = sum(score.windows for score in table.scores if score.stem == stem)
        grid.add_row(stem, *(_figure(table.median(method, stem, metric)) for metric in metrics), str(windows))
    Console().print(grid)


def _show_methods(table: Table, keys: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table as Grid

    grid = Grid(box=None, pad_edge=False, show_edge=False)
    grid.add_column("method", no_wrap=True)
    shown = [stem for stem in table.stems if any(table.median(key, stem) is not None for key in keys)]
    for head in (*shown, "speed"):
        grid.add_column(head, justify="right")
    for key in keys:
        factor = table.real_time_factor(key)
        grid.add_row(key, *(_figure(table.median(key, stem)) for stem in shown), f"{factor:.1f}x" if factor else "")
    Console().print(grid)
    if shown:
        print("SDR in dB: median over windows with sound, then over songs.")
        pairs = table.differences()
        told = [row for row in pairs if row.significant]
        for row in told[:_MOST_DIFFERENCES]:
            better, worse = (row.first, row.second) if row.median > 0 else (row.second, row.first)
            print(f"{row.stem}: {better} is better than {worse} by {abs(row.median):.1f} dB (p = {row.p_holm:.2g})")
        if len(told) > _MOST_DIFFERENCES:
            print(f"… and {len(told) - _MOST_DIFFERENCES} more differences with p < 0.01; all are in --json.")
        elif not told and any(row.songs > 1 for row in pairs):
            print("No difference is significant at p = 0.01 (Wilcoxon signed-rank test over songs, Holm's correction).")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _write(path: Path | None, text: Any) -> None:
    if path is None:
        return
    try:
        path.write_text(text(), "utf-8")
    except OSError as problem:
        raise UserError(f"“{path}” cannot be written ({problem.strerror}).", "Choose another place.") from problem
