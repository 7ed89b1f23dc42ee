#!/usr/bin/env python3
"""Sets the program up on a fresh machine, and starts or tests it. Needs nothing but Python 3.11 to 3.13.

python3 installer/bootstrap.py setup            make .venv, install everything
python3 installer/bootstrap.py run [SONG...]    set up if needed, then start the program
python3 installer/bootstrap.py test [ARGS...]   set up if needed, then run all checks and tests
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "installer" / "constraints.txt"
STAMP = VENV / "stemeditor-setup"
OLDEST, NEWEST = (3, 11), (3, 13)

# What Qt and PortAudio load at run time -> its package, by package manager.
LIBRARIES: dict[str, dict[str, str]] = {
    "libEGL.so.1": {"apt-get": "libegl1", "dnf": "libglvnd-egl", "pacman": "libglvnd", "zypper": "libEGL1"},
    "libGL.so.1": {"apt-get": "libgl1", "dnf": "libglvnd-glx", "pacman": "libglvnd", "zypper": "libGL1"},
    "libglib-2.0.so.0": {"apt-get": "libglib2.0-0", "dnf": "glib2", "pacman": "glib2", "zypper": "libglib-2_0-0"},
    "libfontconfig.so.1": {
        "apt-get": "libfontconfig1",
        "dnf": "fontconfig",
        "pacman": "fontconfig",
        "zypper": "libfontconfig1",
    },
    "libdbus-1.so.3": {"apt-get": "libdbus-1-3", "dnf": "dbus-libs", "pacman": "dbus", "zypper": "libdbus-1-3"},
    "libxkbcommon.so.0": {
        "apt-get": "libxkbcommon0",
        "dnf": "libxkbcommon",
        "pacman": "libxkbcommon",
        "zypper": "libxkbcommon0",
    },
    "libxkbcommon-x11.so.0": {
        "apt-get": "libxkbcommon-x11-0",
        "dnf": "libxkbcommon-x11",
        "pacman": "libxkbcommon-x11",
        "zypper": "libxkbcommon-x11-0",
    },
    "libxcb-cursor.so.0": {
        "apt-get": "libxcb-cursor0",
        "dnf": "xcb-util-cursor",
        "pacman": "xcb-util-cursor",
        "zypper": "libxcb-cursor0",
    },
    "libxcb-icccm.so.4": {
        "apt-get": "libxcb-icccm4",
        "dnf": "xcb-util-wm",
        "pacman": "xcb-util-wm",
        "zypper": "libxcb-icccm4",
    },
    "libxcb-image.so.0": {
        "apt-get": "libxcb-image0",
        "dnf": "xcb-util-image",
        "pacman": "xcb-util-image",
        "zypper": "libxcb-image0",
    },
    "libxcb-keysyms.so.1": {
        "apt-get": "libxcb-keysyms1",
        "dnf": "xcb-util-keysyms",
        "pacman": "xcb-util-keysyms",
        "zypper": "libxcb-keysyms1",
    },
    "libxcb-render-util.so.0": {
        "apt-get": "libxcb-render-util0",
        "dnf": "xcb-util-renderutil",
        "pacman": "xcb-util-renderutil",
        "zypper": "libxcb-render-util0",
    },
    "libxcb-shape.so.0": {"apt-get": "libxcb-shape0", "dnf": "libxcb", "pacman": "libxcb", "zypper": "libxcb-shape0"},
    "libxcb-xkb.so.1": {"apt-get": "libxcb-xkb1", "dnf": "libxcb", "pacman": "libxcb", "zypper": "libxcb-xkb1"},
    "libportaudio.so.2": {
        "apt-get": "libportaudio2",
        "dnf": "portaudio",
        "pacman": "portaudio",
        "zypper": "libportaudio2",
    },
}

TEST_LIBRARIES: dict[str, dict[str, str]] = {
    "libopenmpt.so.0": {
        "apt-get": "libopenmpt0",
        "dnf": "libopenmpt",
        "pacman": "libopenmpt",
        "zypper": "libopenmpt0",
    },
}
"""What only training uses, and so the tests."""

MANAGERS: dict[str, list[str]] = {
    "apt-get": ["apt-get", "install", "-y", "--no-install-recommends"],
    "dnf": ["dnf", "install", "-y"],
    "pacman": ["pacman", "-S", "--noconfirm", "--needed"],
    "zypper": ["zypper", "--non-interactive", "install"],
}


class SetupProblem(Exception):
    """Something that the person has to do; the text says what."""


def main(arguments: list[str]) -> int:
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if verb not in ("setup", "run", "test"):
        print(__doc__)
        return 0 if verb in ("-h", "--help") else 2
    try:
        set_up(LIBRARIES | TEST_LIBRARIES if verb == "test" else LIBRARIES)
        if verb == "run":
            return start(rest)
        if verb == "test":
            return test(rest)
        print("Ready. Start it with: python3 installer/bootstrap.py run")
        return 0
    except SetupProblem as problem:
        print(f"setup: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def set_up(libraries: dict[str, dict[str, str]] = LIBRARIES) -> None:
    """Make .venv with everything in it, and see to what the system lacks of `libraries`; quick if nothing changed."""
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        raise SetupProblem(
            f"this is Python {version[0]}.{version[1]}; the program needs 3.11, 3.12 or 3.13. "
            "Start this file with one of them, for example: python3.12 installer/bootstrap.py run"
        )
    see_to_libraries(libraries)
    stamp = fingerprint()
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == stamp and venv_python().exists():
        return
    make_venv()
    print("Installing the program's packages (a minute or two at the first time)...", flush=True)
    pip = [str(venv_python()), "-m", "pip", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--constraint", str(CONSTRAINTS), "--editable", f"{ROOT}[test]"], check=False
    )
    if done.returncode != 0:
        raise SetupProblem("the packages could not be installed; see above. Is the network there? Then try again.")
    STAMP.write_text(stamp, encoding="utf-8")


def fingerprint() -> str:
    """Return what the set-up depends on, as one line."""
    digest = hashlib.sha256()
    for path in (ROOT / "pyproject.toml", CONSTRAINTS):
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()} {sys.version_info[:3]} {ROOT}"


def venv_python() -> Path:
    """Return the interpreter of .venv."""
    return VENV / "Scripts" / "python.exe" if os.name == "nt" else VENV / "bin" / "python"


def make_venv() -> None:
    """Make .venv, or make it anew if its Python is another."""
    if venv_python().exists():
        asked = subprocess.run(
            [str(venv_python()), "-c", "import sys, pip; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0 and asked.stdout.split() == [str(part) for part in sys.version_info[:2]]:
            return
        shutil.rmtree(VENV)
    if not can_make_venv():
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        if package_manager() == "apt-get" and is_root():
            install_packages("apt-get", [package])
        elif package_manager() == "apt-get":
            raise SetupProblem(f"Python's venv module is not whole. Run: sudo apt-get install {package}")
        else:
            raise SetupProblem("Python's ensurepip module is missing; install your system's package for it.")
    print("Making .venv...", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False).returncode != 0:
        raise SetupProblem(f"no virtual environment could be made in {VENV}.")


def can_make_venv() -> bool:
    """Whether this Python can make a virtual environment with pip in it."""
    probe = subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    return probe.returncode == 0


def see_to_libraries(libraries: dict[str, dict[str, str]]) -> None:
    """Install the shared libraries that this system lacks, or print the one command that does."""
    if sys.platform != "linux":
        return
    missing = missing_of(libraries)
    if not missing:
        return
    manager = package_manager()
    if manager is None:
        print(f"Missing libraries: {', '.join(missing)}. Install them with your system's packages.", file=sys.stderr)
        return
    packages = list(dict.fromkeys(libraries[name][manager] for name in missing))
    if is_root():
        print(f"Installing {', '.join(packages)}...", flush=True)
        install_packages(manager, packages)
    else:
        command = " ".join(["sudo", *MANAGERS[manager], *packages])
        print(f"Some libraries are missing ({', '.join(missing)}). Please run:\n  {command}", file=sys.stderr)


def missing_of(libraries: dict[str, dict[str, str]]) -> list[str]:
    """Return the names of those that this system cannot load."""
    missing = []
    for name in libraries:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def package_manager() -> str | None:
    """Return the first package manager of MANAGERS that is there."""
    return next((name for name in MANAGERS if shutil.which(name)), None)


def install_packages(manager: str, packages: list[str]) -> None:
    """Install system packages; the lists of apt are fetched anew only if they do not know them."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = [*MANAGERS[manager], *packages]
    if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0:
        return
    if manager == "apt-get":
        subprocess.run(["apt-get", "update"], env=environment, stdout=subprocess.DEVNULL, check=False)
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0:
            return
    print(f"The system packages could not be installed. Please run:\n  {' '.join(command)}", file=sys.stderr)


def is_root() -> bool:
    """Whether system packages may be installed."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def start(songs: list[str]) -> int:
    """Start the program on these songs."""
    command = [str(venv_python()), "-m", "stemeditor", *songs]
    if os.name == "posix":
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


def test(arguments: list[str]) -> int:
    """Run the linters, the type checker and the tests; all of them, also if one fails."""
    scripts = venv_python().parent
    suffix = ".exe" if os.name == "nt" else ""
    steps: list[tuple[str, list[str]]] = [
        ("ruff check", [str(scripts / f"ruff{suffix}"), "check", "--quiet"]),
        ("ruff format", [str(scripts / f"ruff{suffix}"), "format", "--check", "--quiet"]),
        ("mypy", [str(scripts / f"mypy{suffix}")]),
        ("import-linter", [str(scripts / f"lint-imports{suffix}")]),
        ("pytest", [str(venv_python()), "-m", "pytest", *arguments]),
    ]
    failed = []
    for name, command in steps:
        print(f"--- {name}", flush=True)
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
