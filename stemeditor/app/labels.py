"""Text that is cut where there is no room for it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy


class ElidingLabel(QLabel):
    """A line of text that takes the room there is, ends in an ellipsis if that is too little, and then has a tooltip.

    Parameters
    ----------
    text
        What to say.
    least
        Pixels that it may be squeezed to.
    """

    def __init__(self, text: str = "", least: int = 48) -> None:
        super().__init__()
        self._whole, self._more, self._least = text, "", least
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self._tell()

    @property
    def whole(self) -> str:
        """All of the text, however much of it is seen."""
        return self._whole

    def show_text(self, text: str, more: str = "") -> None:
        """Say something; `more` stands in the tooltip only."""
        if (text, more) != (self._whole, self._more):
            self._whole, self._more = text, more
            self._tell()

    def sizeHint(self) -> QSize:  # noqa: D102
        width = self.fontMetrics().horizontalAdvance(self._whole) + self._edges()
        return QSize(width, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: D102
        return QSize(min(self._least, self.sizeHint().width()), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._cut()

    def _tell(self) -> None:
        self.setAccessibleName(self._whole)
        self.updateGeometry()
        self._cut()

    def _edges(self) -> int:
        margins = self.contentsMargins()
        return margins.left() + margins.right() + 2

    def _cut(self) -> None:
        room = self.width() - self._edges() + 2
        seen = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, room)
        if seen != self.text():
            self.setText(seen)
        cut = self._whole if seen != self._whole else ""
        self.setToolTip(" ".join(part for part in (cut or self._more and self._whole, self._more) if part))
