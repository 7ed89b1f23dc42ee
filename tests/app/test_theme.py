import pytest
from PySide6.QtGui import QColor, QFontDatabase, QFontInfo
from pytestqt.qtbot import QtBot

from stemeditor import paths
from stemeditor.app.theme import DARK, LIGHT, Theme, app_icon, font, icon, load_fonts, stem_colour, stylesheet

THEMES = (DARK, LIGHT)


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    parts = []
    for part in (QColor(colour).redF(), QColor(colour).greenF(), QColor(colour).blueF()):
        parts.append(part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4)
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("ink", ["text", "muted"])
@pytest.mark.parametrize("ground", ["window", "surface", "raised", "hover", "field", "canvas"])
def test_text_can_be_read(theme: Theme, ink: str, ground: str) -> None:
    assert contrast(getattr(theme, ink), getattr(theme, ground)) >= 4.5


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("on_accent", "accent"),
        ("on_accent", "accent_hover"),
        ("on_solo", "solo"),
        ("on_mute", "mute"),
        ("danger", "surface"),
    ],
)
def test_coloured_buttons_can_be_read(theme: Theme, ink: str, ground: str) -> None:
    assert contrast(getattr(theme, ink), getattr(theme, ground)) >= 4.5


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_waves_stand_out_from_the_canvas_and_from_each_other(theme: Theme) -> None:
    for role in ("song", "vocals", "drums", "bass", "other", "residual", "kazoo"):
        assert contrast(stem_colour(role, theme).name(), theme.canvas) >= 3.0
    four = {stem_colour(role, theme).name() for role in ("vocals", "drums", "bass", "other")}
    assert len(four) == 4


def test_a_role_that_nobody_knows_always_has_the_same_colour() -> None:
    assert stem_colour("kazoo", DARK) == stem_colour("kazoo", DARK)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_style_sheet_is_filled_in(theme: Theme) -> None:
    sheet = stylesheet(theme)
    assert "$" not in sheet
    assert theme.accent in sheet


def test_every_icon_paints_something_in_its_colour(qtbot: QtBot) -> None:
    for path in sorted(paths.resource("icons").glob("*.svg")):
        if path.stem.startswith(("check-", "down-", "app")):
            continue
        image = icon(path.stem, "#ff0000", 24).pixmap(24, 24).toImage()
        inked = [image.pixelColor(x, y) for x in range(24) for y in range(24) if image.pixelColor(x, y).alpha() > 200]
        assert inked, path.stem
        assert all(colour.red() > 200 and colour.green() < 60 for colour in inked)
    assert not app_icon().isNull()


def test_the_typeface_is_the_shipped_one(qtbot: QtBot) -> None:
    load_fonts()
    assert "Inter" in QFontDatabase.families()
    assert QFontInfo(font(13)).family() == "Inter"
