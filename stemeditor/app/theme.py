"""How the program looks: colours, type, icons, and the style sheet made of them."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from string import Template

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QFontMetrics,
    QGuiApplication,
    QIcon,
    QImage,
    QPainter,
    QPalette,
    QPixmap,
)
from PySide6.QtSvg import QSvgRenderer

from stemeditor import paths


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as "#rrggbb". Text on any of window, surface, raised and field meets WCAG AA (a test computes it)."""

    name: str
    window: str
    surface: str
    raised: str
    hover: str
    field: str
    line: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    solo: str
    on_solo: str
    mute: str
    on_mute: str
    danger: str
    warning: str
    good: str
    playhead: str
    selection: str
    canvas: str
    stems: dict[str, str] = dataclasses.field(default_factory=dict)
    others: tuple[str, ...] = ()

    @property
    def dark(self) -> bool:
        """Whether light text stands on dark ground."""
        return self.name == "dark"


DARK = Theme(
    name="dark",
    window="#0f1115",
    surface="#161920",
    raised="#20242d",
    hover="#2a2f3a",
    field="#0b0d10",
    line="#2b303b",
    text="#e9ecf1",
    muted="#9aa3b2",
    accent="#5b8cff",
    accent_hover="#7aa2ff",
    on_accent="#06122e",
    solo="#f5c542",
    on_solo="#2a2000",
    mute="#ff7a6b",
    on_mute="#330a05",
    danger="#ff7a6b",
    warning="#f5c542",
    good="#41d19a",
    playhead="#ffffff",
    selection="#5b8cff",
    canvas="#12151a",
    stems={
        "song": "#9fb0c8",
        "vocals": "#ff7f9f",
        "voice": "#ff7f9f",
        "centre": "#ff7f9f",
        "drums": "#ffb454",
        "bass": "#9d8cff",
        "other": "#3fd0b6",
        "accompaniment": "#3fd0b6",
        "sides": "#3fd0b6",
        "rest": "#3fd0b6",
        "residual": "#8a93a3",
    },
    others=("#6cc4ff", "#c5e063", "#f08bdc", "#e0a07a"),
)

LIGHT = Theme(
    name="light",
    window="#eceef2",
    surface="#f8f9fb",
    raised="#ffffff",
    hover="#e3e7ee",
    field="#ffffff",
    line="#cdd3dd",
    text="#171b22",
    muted="#525c6c",
    accent="#2457d6",
    accent_hover="#1c49ba",
    on_accent="#ffffff",
    solo="#e0a800",
    on_solo="#1f1700",
    mute="#c8321f",
    on_mute="#ffffff",
    danger="#b3261a",
    warning="#8a5a00",
    good="#0d7a52",
    playhead="#10131a",
    selection="#2457d6",
    canvas="#fdfdfe",
    stems={
        "song": "#5f7391",
        "vocals": "#d63768",
        "voice": "#d63768",
        "centre": "#d63768",
        "drums": "#c97a00",
        "bass": "#6a52dd",
        "other": "#0b8f7a",
        "accompaniment": "#0b8f7a",
        "sides": "#0b8f7a",
        "rest": "#0b8f7a",
        "residual": "#747d8c",
    },
    others=("#1b7fc4", "#6d8a00", "#b445a0", "#a8602f"),
)


def stem_colour(role: str, theme: Theme) -> QColor:
    """Return the colour of a lane; a role that the theme does not know always gets the same one of the others."""
    if role in theme.stems:
        return QColor(theme.stems[role])
    number = hashlib.sha256(role.encode()).digest()[0]
    return QColor(theme.others[number % len(theme.others)])


def load_fonts() -> None:
    """Make the shipped typeface known to Qt; the system's takes its place where that fails."""
    for name in ("Inter-Regular.ttf", "Inter-Medium.ttf", "Inter-SemiBold.ttf"):
        QFontDatabase.addApplicationFont(str(paths.resource("fonts", name)))


def font(size: int = 13, weight: QFont.Weight = QFont.Weight.Normal, figures: bool = False) -> QFont:
    """Return the program's typeface; with `figures` all digits are of one width, so that numbers do not dance.

    Parameters
    ----------
    size
        Pixels.
    weight
        Normal, Medium or DemiBold.
    figures
        For times and levels.
    """
    made = QFont("Inter")
    made.setPixelSize(size)
    made.setWeight(weight)
    if figures and hasattr(QFont, "Tag"):
        made.setFeature(QFont.Tag("tnum"), 1)
    return made


def scaled(pixels: int) -> int:
    """Return a length that suits the program's own 13-pixel type, for the type that the application has now."""
    return round(pixels * max(QFontMetrics(QGuiApplication.font()).height() / QFontMetrics(font()).height(), 1.0))


def icon(name: str, colour: str, size: int = 24, off: str = "") -> QIcon:
    """Return one of the program's icons in a colour ("#rrggbb"), in `off` where it is disabled.

    Raises
    ------
    FileNotFoundError
        If there is no icon of that name.
    """
    made = QIcon()
    for scale in (1, 2, 3):
        made.addPixmap(_pixmap(name, colour, size, scale))
        if off:
            made.addPixmap(_pixmap(name, off, size, scale), QIcon.Mode.Disabled)
    return made


def _pixmap(name: str, colour: str, size: int, scale: int) -> QPixmap:
    svg = paths.resource("icons", f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", colour)
    image = QImage(size * scale, size * scale, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, size * scale, size * scale))
    painter.end()
    image.setDevicePixelRatio(scale)
    return QPixmap.fromImage(image)


def app_icon() -> QIcon:
    """Return the program's own icon."""
    return QIcon(str(paths.resource("icons", "app.svg")))


def palette(theme: Theme) -> QPalette:
    """Return the palette for what the style sheet does not reach."""
    made = QPalette()
    role = QPalette.ColorRole
    for names, colour in (
        ((role.Window,), theme.window),
        ((role.Base, role.AlternateBase), theme.field),
        ((role.Button, role.ToolTipBase, role.Light, role.Midlight), theme.raised),
        ((role.WindowText, role.Text, role.ButtonText, role.ToolTipText, role.BrightText), theme.text),
        ((role.PlaceholderText,), theme.muted),
        ((role.Mid, role.Dark, role.Shadow), theme.line),
        ((role.Highlight, role.Link, role.Accent), theme.accent),
        ((role.HighlightedText,), theme.on_accent),
    ):
        for name in names:
            made.setColor(name, QColor(colour))
    return made


def stylesheet(theme: Theme) -> str:
    """Return the style sheet of the whole program."""
    fields = {name: getattr(theme, name) for name in Theme.__slots__ if isinstance(getattr(theme, name), str)}
    check = paths.resource("icons", f"check-{theme.name}.svg").as_posix()
    down = paths.resource("icons", f"down-{theme.name}.svg").as_posix()
    sheet = Template(paths.resource("themes", "app.qss").read_text(encoding="utf-8"))
    return sheet.substitute(fields, check=check, down=down)
