"""The verb `models`: networks that others have published, brought here, looked at, and taken away."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stemeditor.cli.terminal import bars, say
from stemeditor.errors import UserError

app = typer.Typer(help="Networks of others: list, download, import, verify, remove.", no_args_is_help=True)

_Keys = Annotated[list[str], typer.Argument(help="Which; see `models list`.", metavar="KEY...")]


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """List what can be downloaded, and what is here."""
    from stemeditor.jobs.models import READY, models

    rows = models()
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for head in ("", "Key", "Size", "What", "Licence"):
        table.add_column(
            head, overflow="fold", justify="right" if head == "Size" else "left", no_wrap=head in ("Key", "Size")
        )
    for row in rows:
        mark = "✓" if row.state == READY else ""
        title, licence = escape(row.title), escape(row.licence or "your own")
        table.add_row(mark, row.key, f"{row.size_mb:.0f} MB", title, licence)
    Console().print(table)
    print("✓ is here. Get another with: stemeditor models download KEY")


@app.command()
def download(keys: _Keys) -> None:
    """Download the weights of models; what broke off goes on where it was."""
    from stemeditor.jobs.models import DownloadRequest, download_model
    from stemeditor.weights import catalogue

    # A name that nobody knows is told before anything comes.
    packs = [catalogue.pack(key) for key in keys]
    with bars(False) as bar:
        for pack in packs:
            say(f"{pack.title}, about {pack.size_mb:.0f} MB. Licence: {pack.licence}. {pack.page}")
            with bar(pack.key) as progress:
                download_model(DownloadRequest(pack.key), progress)
            print(f"{pack.key} is ready: stemeditor separate SONG -o DIR -m {pack.key}")


@app.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(help="Weights, and what was published with them.", metavar="FILE...")],
    key: Annotated[str, typer.Option("--as", help="Whose they are, if their names do not tell.", metavar="KEY")] = "",
) -> None:
    """Take in weights that you have as files: a RoFormer with its YAML, Spleeter's folder, downloads made by hand."""
    from stemeditor.jobs.models import ImportRequest, import_model

    with bars(False) as bar, bar(files[0].name) as progress:
        found = import_model(ImportRequest(tuple(files), key), progress)
    print(f"{found} is ready: stemeditor separate SONG -o DIR -m {found}")


@app.command()
def verify(
    keys: Annotated[
        list[str] | None, typer.Argument(help="Which; all that are here by default.", metavar="KEY...")
    ] = None,
) -> None:
    """See whether weights are what they were when they came."""
    from stemeditor.jobs.models import VerifyRequest, verify_models

    with bars(False) as bar, bar("models") as progress:
        found = verify_models(VerifyRequest(tuple(keys or ())), progress)
    for key, wrong in found.items():
        print(f"{key}: {'whole' if not wrong else ', '.join(wrong) + ' changed or missing'}")
    if not found:
        print("There are no weights on this machine.")
    if any(found.values()):
        raise typer.Exit(1)


@app.command()
def prepare(keys: _Keys) -> None:
    """Bring networks into the form that is fastest on this machine again; downloads and imports do so by themselves."""
    from stemeditor.jobs.models import prepare as prepare_model

    with bars(False) as bar:
        for key in keys:
            with bar(key) as progress:
                prepare_model(key, progress, again=True)


@app.command()
def remove(keys: _Keys) -> None:
    """Delete the weights of models."""
    from stemeditor.jobs.models import remove_model

    failed = False
    for key in keys:
        try:
            print(f"{key}: {remove_model(key):.0f} MB freed")
        except UserError as problem:
            failed = True
            say(str(problem))
    if failed:
        raise typer.Exit(1)
