"""Methods to tick, for comparing them."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QListWidget, QListWidgetItem

from stemeditor.audio.buffer import Audio
from stemeditor.methods import registry, runner

_BESIDE = ("compact", "classic", "kam")
"""What is ticked at first, beside the method that is used if nobody chooses: the best of each kind."""

_ROW_PIXELS = 28


class Ticks(QListWidget):
    """Every method that is ready here; those that do not suit the song say why, and cannot be ticked.

    Parameters
    ----------
    song
        What they will be run on.
    """

    def __init__(self, song: Audio) -> None:
        super().__init__()
        self.setAccessibleName("Methods to compare")
        first = (registry.default(), *_BESIDE)
        infos = [registry.info(key) for key in registry.ready()]
        troubles = runner.unsuited_ones(song, infos)
        for info in infos:
            item = QListWidgetItem(info.name)
            item.setData(Qt.ItemDataRole.UserRole, info.key)
            item.setSizeHint(QSize(0, _ROW_PIXELS))
            trouble = troubles[info.key]
            item.setToolTip(trouble or f"{info.family.capitalize()}. {info.sentence}")
            if trouble:
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            else:
                item.setFlags(
                    Qt.ItemFlag.ItemIsUserCheckable | Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
                )
                item.setCheckState(Qt.CheckState.Checked if info.key in first else Qt.CheckState.Unchecked)
            self.addItem(item)

    @property
    def ticked(self) -> tuple[str, ...]:
        """Keys of the methods that are ticked."""
        items = (self.item(row) for row in range(self.count()))
        return tuple(
            item.data(Qt.ItemDataRole.UserRole) for item in items if item.checkState() == Qt.CheckState.Checked
        )
