"""The menus, made of the table of actions: those of the window, and the one of a lane."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from stemeditor.app.actions import Actions, plain
from stemeditor.app.table import LANE_MENU, TABLE
from stemeditor.settings import Settings


class Menus(QObject):
    """Fills a menu bar, and shows the menu of a lane."""

    chosen = Signal(object)
    """(Path): one of the songs that were open lately."""

    def __init__(self, bar: QMenuBar, actions: Actions, settings: Settings) -> None:
        super().__init__(bar)
        self._actions, self._settings = actions, settings
        menus: dict[str, QMenu] = {}
        group = 0
        for row in TABLE:
            if row.menu not in menus:
                menus[row.menu] = bar.addMenu(row.menu)
                group = row.group
            if row.group != group:
                menus[row.menu].addSeparator()
                group = row.group
            if row.id.startswith("solo_"):
                continue
            menus[row.menu].addAction(actions[row.id])
            if row.id == "demo":
                self.recent = menus[row.menu].addMenu("Open &recent")
                self.recent.aboutToShow.connect(self.fill_recent)

    def fill_recent(self) -> None:
        """List what was open lately."""
        self.recent.clear()
        for name in self._settings.names("recent_files"):
            action = self.recent.addAction(plain(Path(name).name))
            action.setToolTip(name)
            action.setData(name)
            action.triggered.connect(self._open_recent)

    def lane_menu(self, parent: QWidget) -> QMenu:
        """Return the menu of the current lane; it goes when it is closed."""
        menu = QMenu(parent)
        for action_id in LANE_MENU:
            if action_id:
                menu.addAction(self._actions[action_id])
            else:
                menu.addSeparator()
        menu.aboutToHide.connect(menu.deleteLater)
        return menu

    def show_lane_menu(self, place: QPoint) -> None:
        """Show the menu of the current lane at a place on screen."""
        parent = self.parent()
        assert isinstance(parent, QWidget)
        self.lane_menu(parent.window()).popup(place)

    def _open_recent(self) -> None:
        action = self.sender()
        assert isinstance(action, QAction)
        self.chosen.emit(Path(action.data()))
