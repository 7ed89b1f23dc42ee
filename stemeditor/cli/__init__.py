"""The verbs of the command line, in the foreground."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from stemeditor import __version__, paths
from stemeditor.cli import learning, models, scoring
from stemeditor.cli.terminal import bars, listing, say, show
from stemeditor.errors import Cancelled, UserError
from stemeditor.progress import Part, Progress

OpenWindow = Callable[[list[Path]], int]
RunSmoke = Callable[[Path | None, Path], int]

_YES_OR_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_OVERS = ("ask", "float", "turn_down", "limit")


def run(arguments: list[str], open_window: OpenWindow, run_smoke: RunSmoke) -> int:
    """Run one verb.

    Parameters
    ----------
    arguments
        The verb and what follows it.
    open_window, run_smoke
        The verbs that need the window; handed in, because the command line itself knows none.

    Returns
    -------
    int
        0 if all went well, 1 for an error of the user's (one line on stderr), 2 for wrong usage, 130 if interrupted,
        128 and the signal's number if asked to end otherwise.
    """
    command = typer.main.get_command(_app(open_window, run_smoke))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that a terminal or pipe cannot show must not cost the rest.
        sys.stdout.reconfigure(errors="replace")
    asked: list[int] = []
    try:
        with _asked_to_end(asked):
            command.main(arguments, prog_name="stemeditor")
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 0
        return 128 + asked[0] if asked else code
    except UserError as problem:
        say(str(problem))
        return 1
    except (KeyboardInterrupt, Cancelled):
        return 128 + asked[0] if asked else 130
    return 0


@contextlib.contextmanager
def _asked_to_end(asked: list[int]) -> Iterator[None]:
    """Take signals by which a system ends programs as the person's interruption, to clean up; note them in `asked`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ended(number: int, frame: object) -> None:
        asked.append(number)
        raise KeyboardInterrupt

    # Of the second, which comes when a terminal is closed, not all systems know.
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, ended) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _app(open_window: OpenWindow, run_smoke: RunSmoke) -> typer.Typer:
    app = typer.Typer(
        name="stemeditor",
        help="Takes songs apart into stems. Without a verb the window opens, on the songs that are named.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def _root(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
        ] = False,
    ) -> None:
        """Take songs apart into stems."""

    @app.command()
    def demo() -> None:
        """Open the window on the song that is shipped."""
        raise typer.Exit(open_window([paths.resource("demo", "demo.flac")]))

    @app.command()
    def smoke(
        song: Annotated[Path | None, typer.Argument(help="A song; the demo if none is named.")] = None,
        output: Annotated[Path, typer.Option("-o", "--output", help="Folder for report, picture and stems.")] = Path(
            "smoke"
        ),
    ) -> None:
        """Run the whole program once, by itself, and report."""
        raise typer.Exit(run_smoke(song, output))

    app.command()(separate)
    app.command()(methods)
    app.command()(scoring.evaluate)
    app.command()(scoring.compare)
    app.command()(scoring.parts)
    app.command()(learning.train)
    app.command()(learning.networks)
    app.command()(learning.songs)
    app.add_typer(models.app, name="models")
    app.command()(doctor)
    return app


def separate(
    songs: Annotated[list[Path], typer.Argument(help="Songs to take apart.", metavar="SONG...")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the stems.", metavar="DIR")],
    method: Annotated[str, typer.Option("-m", "--method", help="Key of a method; see `methods`.")] = "",
    stems: Annotated[str, typer.Option(help="Only these stems, with commas; the others come summed as “rest”.")] = "",
    device: Annotated[str, typer.Option(help="Where networks compute: auto, cpu, cuda, mps or xpu.")] = "auto",
    format: Annotated[str, typer.Option(help="wav, aiff, flac, ogg, mp3 or m4a.")] = "wav",
    subtype: Annotated[str, typer.Option(help="16, 24 or float; high or medium. The format's best by default.")] = "",
    name: Annotated[
        str, typer.Option(help="File names below DIR: {song}, {stem}, {artist}, {title}, {number}.", metavar="TEMPLATE")
    ] = "{song}/{stem}",
    param: Annotated[list[str] | None, typer.Option(help="A parameter of the method.", metavar="NAME=VALUE")] = None,
    preset: Annotated[str, typer.Option(help="draft, good or best, for methods that have presets.")] = "",
    overs: Annotated[
        str, typer.Option(help="Peaks over full scale in a format that clips: ask (refuse), float, turn_down, limit.")
    ] = "ask",
    daw: Annotated[
        str, typer.Option(help="A project of the stems beside them: dawproject or reaper.", metavar="KIND")
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write the stems of songs as files."""
    from stemeditor.methods import device as devices

    _among("device", device, devices.KEYS)
    _among("overs", overs, _OVERS)
    wanted = tuple(part.strip() for part in stems.split(",") if part.strip())
    results: list[dict[str, Any]] = []
    failed = False
    with bars(as_json) as bar:
        for song, called in zip(songs, _called(songs), strict=True):
            try:
                with bar(song.name) as progress:
                    results.append(
                        _separate_one(
                            song,
                            called,
                            output,
                            method,
                            wanted,
                            device,
                            preset,
                            format,
                            subtype,
                            name,
                            param or [],
                            overs,
                            daw,
                            overwrite,
                            progress,
                        )
                    )
            except UserError as problem:
                failed = True
                say(f"{song.name}: {problem}" if len(songs) > 1 else str(problem))
            except Exception:
                # A bug at one song costs neither the others nor what is known of those before.
                if len(songs) == 1:
                    raise
                failed = True
                say(f"{song.name}: something went wrong inside the program.")
                traceback.print_exc()
    if as_json:
        # Not every terminal and pipe takes every letter.
        print(json.dumps(results, indent=1))
    else:
        for result in results:
            print(
                f"{result['song']}: {len(result['stems'])} stems in {result['seconds']:.1f} s "
                f"({result['real_time_factor']:.1f}x real time) in {Path(result['stems'][0]['path']).parent}"
            )
    if failed:
        raise typer.Exit(1)


def methods(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List the methods: what they are, what they give, what they need."""
    from stemeditor.methods import registry

    infos = [registry.info(key) for key in registry.keys()]  # noqa: SIM118 a function, no mapping
    if as_json:
        rows = [
            {
                "key": info.key,
                "name": info.name,
                "family": info.family,
                "speed": info.speed,
                "stereo": info.stereo,
                "sentence": info.sentence,
                "stems": list(info.stems),
                "source": info.source,
                "ready": (lacking := registry.missing(info.key)) is None,
                "needs": info.needs,
                "missing": lacking.text if lacking else "",
                "params": [asdict(param) for param in info.params],
            }
            for info in infos
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for family in dict.fromkeys(info.family for info in infos):
        table = listing()
        for info in (info for info in infos if info.family == family):
            needs = "; needs a stereo song" if info.stereo else ""
            lacking = registry.missing(info.key)
            needs += f"; get it with: {lacking.command}" if lacking else ""
            key = f"{info.key} *" if info.key == registry.default() else info.key
            table.add_row(key, f"{info.sentence} [dim]({', '.join(info.stems)}; {info.speed:.0f}x{needs})[/dim]")
        show(table, family.capitalize())
    print("* the default. Speed is seconds of song a second on two cores. Sources: `stemeditor methods --json`.")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Tell what works on this machine and what does not."""
    from stemeditor.jobs.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
        return
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'WARN'}  {finding.name}: {finding.text}")


def _called(songs: list[Path]) -> list[str]:
    """Return what each song is called in file names: with its folder's name where others are called the same."""
    from stemeditor.jobs.naming import told_apart

    names = [song.stem.casefold() for song in songs]
    found: list[str] = []
    for song, name in zip(songs, names, strict=True):
        told = song.stem if names.count(name) == 1 else f"{song.resolve().parent.name} {song.stem}"
        found.append(told_apart(told, found))
    return found


def _separate_one(
    path: Path,
    called: str,
    output: Path,
    method: str,
    stems: tuple[str, ...],
    device: str,
    preset: str,
    format: str,
    subtype: str,
    template: str,
    given: list[str],
    overs: str,
    daw: str,
    overwrite: bool,
    progress: Progress,
) -> dict[str, Any]:
    from stemeditor.audio import files
    from stemeditor.jobs.doctor import peak_memory_mb
    from stemeditor.jobs.export import ExportRequest, SessionPlan, export_stems, stem_items, targets
    from stemeditor.jobs.tasks import OpenRequest, SeparateRequest, lanes_to_come, open_song, separate_song
    from stemeditor.methods import registry
    from stemeditor.project import edits
    from stemeditor.project.model import RESIDUAL_ROLE

    key = method or registry.default()
    info = registry.info(key)
    params = {**_preset(info, preset), **_params(info, given)}
    encoding = files.encoding(format)
    folder = paths.cache_folder() / "session"
    song = open_song(OpenRequest(path, folder), Part(progress, 0.0, 0.1))
    if song.notice:
        say(song.notice)
    kind = subtype or _best_subtype(encoding)
    plan = SessionPlan(daw) if daw else None
    request = ExportRequest(song, (), output, template, format, kind, overs, overwrite, called, session=plan)
    # What cannot be written is told before all the work, not after it.
    targets(request, tuple(name for name in lanes_to_come(info, stems) if name != RESIDUAL_ROLE))
    found = separate_song(SeparateRequest(song, key, params, folder, stems, device), Part(progress, 0.1, 0.9))
    project = edits.add_stems(edits.open_song(song), found.lanes, found.method.name)
    items = stem_items(project)
    # On the command line files carry the stems' keys: scripts look for vocals.wav, not for what the window says.
    keyed = tuple(_renamed(item, lane.role) for item, lane in zip(items, project.stems, strict=True))
    written = export_stems(replace(request, items=keyed), Part(progress, 0.9, 1.0))
    return {
        "song": str(path),
        "method": key,
        "device": found.device,
        "stems": [{"name": file.name, "path": str(file.path)} for file in written.files[: len(keyed)]],
        **({"daw": str(written.files[-1].path)} if daw else {}),
        "seconds": round(found.seconds, 3),
        "real_time_factor": round(found.real_time_factor, 2),
        "sum_error_db": round(found.sum_error_db, 1),
        "peak_memory_mb": round(peak_memory_mb(), 1),
    }


def _renamed(item: Any, name: str) -> Any:
    return replace(item, name=name)


def _best_subtype(encoding: Any) -> str:
    keys = [row.key for row in encoding.subtypes]
    return "float" if "float" in keys else str(keys[0])


def _params(info: Any, given: list[str]) -> dict[str, Any]:
    """Turn NAME=VALUE into values of the parameters' types."""
    rows = {row.name: row for row in info.params}
    found: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in rows:
            near = get_close_matches(name, rows, 1)
            hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(rows) or 'none'}."
            raise UserError(f"{info.name} has no parameter “{name}”.", hint)
        default = rows[name].default
        try:
            if isinstance(default, bool):
                found[name] = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}[
                    value.lower()
                ]
            elif isinstance(default, (int, float)):
                found[name] = type(default)(value)
            else:
                found[name] = value
        except (KeyError, ValueError) as problem:
            raise UserError(f"“{value}” is no value for {name}.", rows[name].help) from problem
    return found


def _preset(info: Any, name: str) -> dict[str, Any]:
    """Return what a preset sets."""
    if not name:
        return {}
    known = {preset.name.lower(): preset for preset in info.presets}
    if not known:
        raise UserError(f"{info.name} has no presets.", "Set its parameters with --param, or leave --preset out.")
    _among("preset", name.lower(), tuple(known))
    return dict(known[name.lower()].params)


def _among(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        near = get_close_matches(value, allowed, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Choose among {', '.join(allowed)}."
        raise UserError(f"There is no {what} “{value}”.", hint)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"stemeditor {__version__}")
        raise typer.Exit
