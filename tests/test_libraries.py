from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stemeditor import libraries


@pytest.fixture
def unfrozen() -> Iterator[None]:
    gc.collect()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("unfrozen")
@pytest.mark.parametrize("going", [True, False])
def test_what_is_brought_is_left_alone_by_the_collector(
    going: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brought.py").write_text(
        "import gc\nwhile_imported = gc.isenabled()\nthings = [[] for _ in [0] * 5000]"
    )
    monkeypatch.syspath_prepend(tmp_path)
    if not going:
        gc.disable()
    try:
        found = libraries.bring("brought")
        assert gc.isenabled() == going
    finally:
        gc.enable()
        sys.modules.pop("brought", None)
    assert not found.while_imported
    assert gc.get_freeze_count() >= 5000
    looked_at = {id(thing) for thing in gc.get_objects()}
    assert not looked_at & {id(thing) for thing in found.things}


@pytest.mark.usefixtures("unfrozen")
def test_what_is_missing_is_said_and_the_collector_goes_on() -> None:
    with pytest.raises(ModuleNotFoundError):
        libraries.bring("no_such_package")
    assert gc.isenabled()
    assert libraries.folder("no_such_package") is None


@pytest.mark.usefixtures("unfrozen")
def test_what_is_there_is_not_brought_again() -> None:
    frozen = gc.get_freeze_count()
    assert libraries.bring("numpy") is sys.modules["numpy"]
    assert gc.get_freeze_count() == frozen


def test_files_are_read_whole_and_missing_ones_are_left_to_whoever_needs_them(tmp_path: Path) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(bytes(3_000_001))
    small.write_bytes(b"abc")
    assert libraries.read_ahead([large, tmp_path / "none", tmp_path, small]) == 3_000_004


def test_libraries_of_a_package_are_found_by_their_kind(tmp_path: Path) -> None:
    for name in ("libs/liba.so.12", "b.cpython-311.so", "c.pyd", "c_gpu_plugin.dll", "d.py", "e.dylib", "also.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    found = [file.name for file in libraries.within(tmp_path, besides=("_gpu_plugin",))]
    assert sorted(found) == ["b.cpython-311.so", "c.pyd", "e.dylib", "liba.so.12"]


def test_a_library_is_loaded_or_it_is_told() -> None:
    expected = sys.platform in ("linux", "darwin")
    package = libraries.folder("numpy")
    assert package is not None
    library = next(file for file in libraries.within(package) if "multiarray_umath" in file.name)
    assert libraries.load(library) == expected
    assert not libraries.load(library.with_name("none.so"))
