import json
from pathlib import Path

import pytest

from stemeditor.settings import TABLE, Settings


def test_defaults_then_the_users_choice_then_another_start(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "settings.json"
    settings = Settings(path)
    assert settings.text("theme") == "system"
    heard: list[str] = []
    settings.listen(heard.append)
    settings.set("theme", "dark")
    settings.set("theme", "dark")
    settings.set("recent_files", ["a", "b"])
    assert heard == ["theme", "recent_files"]
    again = Settings(path)
    assert again.text("theme") == "dark"
    assert again.names("recent_files") == ["a", "b"]
    assert [entry.name for entry in path.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("content", ["", "no json", "[1, 2]", '{"theme": "pink", "output_latency_ms": 5, "x": 1}'])
def test_a_file_that_makes_no_sense_costs_only_itself(tmp_path: Path, content: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(content, encoding="utf-8")
    settings = Settings(path)
    assert {row.name: settings.get(row.name) for row in TABLE} == {row.name: row.default for row in TABLE}
    settings.set("theme", "light")
    assert json.loads(path.read_text(encoding="utf-8"))["theme"] == "light"


@pytest.mark.parametrize(
    ("name", "value"),
    [("theme", "pink"), ("output_latency_ms", 5), ("output_latency_ms", 50.5), ("follow_playhead", 1), ("method", 3)],
)
def test_what_the_table_does_not_allow_is_a_bug(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        Settings(None).set(name, value)  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = Settings(tmp_path / "file" / "settings.json")
    settings.set("theme", "dark")
    assert settings.text("theme") == "dark"


def test_lists_are_copies() -> None:
    settings = Settings(None)
    settings.names("recent_files").append("x")
    assert settings.names("recent_files") == []
