"""The menus, made of the table of actions: those of the window, and those of a right click."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from stemeditor.app.actions import Actions, plain
from stemeditor.app.table import GIVE, LANE_MENU, MOVE, PART_MENU, TABLE
from stemeditor.settings import Settings


class Menus(QObject):
    """Fills a menu bar, and shows what a right click offers."""

    chosen = Signal(object)
    """(Path): one of the songs that were open lately."""

    def __init__(self, bar: QMenuBar, actions: Actions, settings: Settings) -> None:
        super().__init__(bar)
        self._actions, self._settings = actions, settings
        self._takers: QMenu | None = None
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
            if row.id.startswith(GIVE):
                if self._takers is None:
                    self._takers = menus[row.menu].addMenu("&Move to")
                    menus[row.menu].aboutToShow.connect(self._enable_takers)
                self._takers.addAction(actions[row.id])
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

    def menu(self, ids: tuple[str, ...], parent: QWidget) -> QMenu:
        """Return a menu of actions of the table; it goes when it is closed."""
        menu = QMenu(parent)
        for action_id in ids:
            if action_id == MOVE and self._takers is not None:
                self._enable_takers()
                menu.addMenu(self._takers)
            elif action_id:
                menu.addAction(self._actions[action_id])
            else:
                menu.addSeparator()
        menu.aboutToHide.connect(menu.deleteLater)
        return menu

    def show_lane_menu(self, place: QPoint) -> None:
        """Show what can be done with the current lane, at a place on screen."""
        self._show(LANE_MENU, place)

    def show_part_menu(self, place: QPoint) -> None:
        """Show what can be done with what is selected of the current lane, at a place on screen."""
        self._show(PART_MENU, place)

    def _show(self, ids: tuple[str, ...], place: QPoint) -> None:
        parent = self.parent()
        assert isinstance(parent, QWidget)
        self.menu(ids, parent.window()).popup(place)

    def _enable_takers(self) -> None:
        assert self._takers is not None
        self._takers.setEnabled(any(action.isEnabled() for action in self._takers.actions()))

    def _open_recent(self) -> None:
        action = self.sender()
        assert isinstance(action, QAction)
        self.chosen.emit(Path(action.data()))
