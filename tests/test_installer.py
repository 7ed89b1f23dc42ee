"""The decisions of the set-up, without setting anything up."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "installer" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_has_its_version_and_nothing_names_an_address() -> None:
    lines = (ROOT / "installer" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {normal(name) for name in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + [row for rows in project["optional-dependencies"].values() for row in rows]
    assert {normal(re.split(r"[<>=!~; \[]", text)[0]) for text in wanted} - {"stemeditor"} <= pinned
    assert not any("/" in line or "@" in line for line in lines)


def test_ci_calls_the_readmes_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "python3 installer/bootstrap.py test\n" in script
    assert "python3 installer/bootstrap.py test" in readme
    assert "python3 installer/bootstrap.py run" in readme


def test_every_package_manager_is_told_what_it_calls_a_library(bootstrap: ModuleType) -> None:
    for rows in (bootstrap.LIBRARIES | bootstrap.TEST_LIBRARIES).values():
        assert set(rows) == set(bootstrap.MANAGERS)


@pytest.mark.skipif(sys.platform != "linux", reason="about shared libraries of Linux")
def test_this_machine_lacks_nothing_after_the_set_up(bootstrap: ModuleType) -> None:
    assert bootstrap.missing_of(bootstrap.LIBRARIES | bootstrap.TEST_LIBRARIES) == []


def test_a_library_that_is_not_there_is_seen(bootstrap: ModuleType) -> None:
    assert bootstrap.missing_of({"libnobody-has-this.so.9": {}}) == ["libnobody-has-this.so.9"]


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt-get", "sudo apt-get install -y --no-install-recommends libegl1 libgl1 libportaudio2\n"),
        ("pacman", "sudo pacman -S --noconfirm --needed libglvnd portaudio\n"),
    ],
)
def test_without_rights_the_one_command_is_printed(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    manager: str,
    command: str,
) -> None:
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "missing_of", lambda _: ["libEGL.so.1", "libGL.so.1", "libportaudio.so.2"])
    monkeypatch.setattr(bootstrap, "is_root", lambda: False)
    monkeypatch.setattr(bootstrap, "package_manager", lambda: manager)
    bootstrap.see_to_libraries(bootstrap.LIBRARIES)
    assert command in capsys.readouterr().err


def test_another_python_is_refused_in_words(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Version(tuple):
        pass

    monkeypatch.setattr(bootstrap.sys, "version_info", Version((3, 9, 1)))
    with pytest.raises(bootstrap.SetupProblem, match=r"3\.9"):
        bootstrap.set_up()


def test_the_fingerprint_follows_what_is_installed(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = bootstrap.fingerprint()
    assert before == bootstrap.fingerprint()
    other = tmp_path / "constraints.txt"
    other.write_text("numpy==1\n", encoding="utf-8")
    monkeypatch.setattr(bootstrap, "CONSTRAINTS", other)
    assert bootstrap.fingerprint() != before


def test_an_unknown_verb_prints_the_usage(bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["dance"]) == 2
    assert "setup" in capsys.readouterr().out
    assert bootstrap.main([]) == 2
