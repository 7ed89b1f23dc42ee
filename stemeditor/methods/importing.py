"""Taking in weights that a person has as files: seeing what they are, and whether they can be used, before all else."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from stemeditor.errors import FileProblem, UserError
from stemeditor.methods import registry, roformer, spleeter, trained
from stemeditor.methods.pretrained import Pretrained
from stemeditor.nets.description import describe
from stemeditor.progress import Progress
from stemeditor.weights import catalogue, reading, store
from stemeditor.weights.catalogue import Pack, Source

_OWN = "a file of your own"


def bring(files: Sequence[Path], key: str, progress: Progress) -> str:
    """Take files in, and return the key of the method that uses them.

    Parameters
    ----------
    files
        A network of this program; a RoFormer's checkpoint with its configuration; Spleeter's folder; or the files of
        a pack of the catalogue, downloaded by hand.
    key
        What they are, if their names do not tell: a key of the catalogue.
    progress
        Told how much is copied.

    Raises
    ------
    UserError
        If they are none of these, or incomplete; nothing was changed then.
    """
    missing = next((file for file in files if not file.exists()), None)
    if missing is not None or not files:
        raise FileProblem(f"There is no file “{missing.name if missing else ''}”.", "See how its name is written.")
    if any(file.suffix.lower() in (".yaml", ".yml") for file in files):
        return _bring_roformer(files, progress)
    if spleeter.is_published(files[0]):
        return spleeter.bring(files[0], progress)
    for file in files:
        reading.check(file)
    if not key and len(files) == 1 and _is_ours(files[0]):
        return trained.install(files[0], files[0].stem)
    return _bring_pack(files, key, progress)


def own_keys() -> tuple[str, ...]:
    """Return the keys of methods whose weights a person brought and that the catalogue does not know."""
    kept = store.keys()
    return tuple(key for key in kept if key.partition(":")[0] in (*roformer.KINDS, spleeter.KIND))


def _is_ours(file: Path) -> bool:
    if not reading.is_safe(file.name):
        return False
    try:
        describe(file)
    except UserError:
        return False
    return True


def _bring_roformer(files: Sequence[Path], progress: Progress) -> str:
    weights, config = roformer.sorted_files(files)
    told = roformer.described(config, weights.stem)
    reading.check(weights)
    from stemeditor.nets.roformer import from_state

    state = reading.load(weights)
    reading.see_numbers(state, weights)
    progress.check()
    try:
        from_state(state, told["net"])
    except (ValueError, MemoryError) as problem:
        raise FileProblem(f"“{weights.name}” and “{config.name}” do not belong together ({problem}).") from problem
    key = roformer.free_key(told["kind"], weights.stem)
    with tempfile.TemporaryDirectory(prefix="stemeditor-") as folder:
        description = Path(folder) / roformer.CONFIG
        description.write_text(json.dumps(told, indent=1), encoding="utf-8")
        kept = {f"{roformer.WEIGHTS}{weights.suffix.lower()}": weights, roformer.CONFIG: description}
        store.bring(key, kept, _OWN, progress)
    return key


def _bring_pack(files: Sequence[Path], key: str, progress: Progress) -> str:
    pack = catalogue.pack(key) if key else _pack_of(files)
    chosen: dict[str, Path] = {}
    for source in pack.files:
        fitting = [file for file in files if _fits(file, source)]
        if not fitting and len(pack.files) == len(files) == 1:
            fitting = list(files)
        if fitting:
            chosen[source.name] = fitting[0]
    lacking = [source.name for source in pack.files if source.name not in chosen and source in store.missing(pack)]
    if lacking or not chosen:
        raise UserError(
            f"{pack.title} is {len(pack.files)} files, and {', '.join(lacking)} is not among these.",
            "Give all of them at once.",
        )
    for source in pack.files:
        file = chosen.get(source.name)
        if file is not None and source.sha256 and not store.hashed(file, progress).startswith(source.sha256):
            raise FileProblem(
                f"“{file.name}” is not the file that was published as {source.name}: its hash is another.",
                "Get the file again.",
            )
        if file is not None:
            _see_whether_it_fits(pack, source, file)
    store.bring(pack.key, chosen, _OWN, progress)
    return pack.key


def _see_whether_it_fits(pack: Pack, source: Source, file: Path) -> None:
    """Raise FileProblem if a file does not hold the network that it shall be."""
    # Reading it now shows whether it can be read at all without running what it says.
    reading.see_numbers(reading.load(file), file)
    if file.suffix.lower() != Path(source.name).suffix:
        raise FileProblem(
            f"“{file.name}” is not the kind of file that was published as {source.name}.", "Get the file again."
        )
    method = registry.load(pack.key) if pack.key in registry.keys() else None  # noqa: SIM118 a function
    method = getattr(method, "method", method)
    if isinstance(method, Pretrained) and method.packages_are_here:
        method.read(file)


def _pack_of(files: Sequence[Path]) -> Pack:
    every = [source.name for pack in catalogue.packs().values() for source in pack.files]
    for pack in catalogue.packs().values():
        for source in pack.files:
            # Every set of Open-Unmix has its vocals.pth: such a name says too little.
            telling = {_tail(source), *((source.name,) if every.count(source.name) == 1 else ())}
            if any(file.name in telling for file in files):
                return pack
    names = ", ".join(catalogue.packs())
    raise UserError(
        f"What “{files[0].name}” is cannot be seen from its name.", f"Say whose weights they are, with --as: {names}."
    )


def _fits(file: Path, source: Source) -> bool:
    return file.name in (source.name, _tail(source))


def _tail(source: Source) -> str:
    return source.address.rsplit("/", 1)[-1]
