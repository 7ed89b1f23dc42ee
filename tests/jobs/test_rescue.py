import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from stemeditor.errors import FileProblem
from stemeditor.jobs.rescue import KeepRequest, Rescue, give_up, keep
from stemeditor.progress import Silent
from stemeditor.project import edits, storage
from stemeditor.project.storage import Kept
from tests.helpers.sounds import lane_of, music, song_of

ROOT = Path(__file__).parent.parent.parent


def kept_by(rescue: Rescue, name: str = "song", title: str = "A song", path: Path | None = None) -> Path:
    samples = music(0.2)
    project = edits.add_stems(edits.open_song(song_of(samples)), (lane_of("vocals", samples * 0.5),), "Test")
    return keep(KeepRequest(Kept(project), rescue.file(name), title, path), Silent()).file


def die(rescue: Rescue) -> None:
    """Do what the system does when a process ends, however it does."""
    for lock in (rescue._own, *rescue._others):
        if lock is not None:
            lock.release()


def test_a_run_that_ends_as_it_should_leaves_nothing(tmp_path: Path) -> None:
    rescue = Rescue(tmp_path / "unsaved")
    kept_by(rescue)
    kept_by(rescue, "other")
    rescue.close()
    assert list((tmp_path / "unsaved").iterdir()) == []
    assert Rescue(tmp_path / "unsaved").leftovers() == ()


def test_a_run_with_nothing_to_keep_makes_no_folder(tmp_path: Path) -> None:
    rescue = Rescue(tmp_path / "unsaved")
    assert rescue.leftovers() == ()
    rescue.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_is_given_up(tmp_path: Path) -> None:
    rescue = Rescue(tmp_path)
    file = kept_by(rescue)
    give_up(file, Silent())
    assert not file.exists()
    rescue.close()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_died_is_told_from_one_that_lives(tmp_path: Path) -> None:
    dead, alive, new = Rescue(tmp_path), Rescue(tmp_path), Rescue(tmp_path)
    kept_by(dead, title="Läst", path=tmp_path / "mine.stemeditor")
    kept_by(alive)
    assert new.leftovers() == ()
    die(dead)
    (left,) = new.leftovers()
    assert (left.title, left.path) == ("Läst", tmp_path / "mine.stemeditor")
    assert alive.leftovers() == (), "two programs do not bring back the same"
    new.close()
    assert left.file.exists(), "it was not given up, only not asked for"
    (again,) = alive.leftovers()
    alive.close((again,))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_found_something_and_died_as_well_leaves_both(tmp_path: Path) -> None:
    first, second = Rescue(tmp_path), Rescue(tmp_path)
    kept_by(first, title="First")
    die(first)
    assert [left.title for left in second.leftovers()] == ["First"]
    kept_by(second, title="Second")
    assert Rescue(tmp_path).leftovers() == ()
    die(second)
    third = Rescue(tmp_path)
    assert {left.title for left in third.leftovers()} == {"First", "Second"}
    third.close()


def test_what_was_not_whole_is_thrown_away(tmp_path: Path) -> None:
    dead = Rescue(tmp_path)
    kept_by(dead).with_suffix(".json").write_text("{")
    kept_by(dead, "other", "Other")
    die(dead)
    new = Rescue(tmp_path)
    assert [left.title for left in new.leftovers()] == ["Other"]
    new.close()


def test_a_nearly_full_disk_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    rescue = Rescue(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=2 << 30))
    with pytest.raises(FileProblem, match="too little room"):
        kept_by(rescue)
    rescue.close()


@pytest.mark.skipif(sys.platform == "win32", reason="another way to end a process")
def test_a_killed_program_leaves_what_it_kept(tmp_path: Path) -> None:
    code = """
        import os, sys
        from pathlib import Path
        from stemeditor.jobs.rescue import Rescue
        from tests.jobs.test_rescue import kept_by
        rescue = Rescue(Path(sys.argv[1]))
        kept_by(rescue)
        os.kill(os.getpid(), 9)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == -9
    rescue = Rescue(tmp_path)
    (left,) = rescue.leftovers()
    project = storage.load(left.file, tmp_path / "session", "new", Silent()).project
    assert np.array_equal(project.song.sound.audio.samples, music(0.2))
    rescue.close((left,))
