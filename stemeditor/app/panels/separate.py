"""Choosing a method, and setting its parameters."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QFont, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from stemeditor.app.controller import Controller
from stemeditor.app.forms import LIST_ITEM_HEIGHT, Form
from stemeditor.app.panels.fetching import fetching_of
from stemeditor.app.panels.passing import Passing
from stemeditor.app.panels.presets import Presets, duration_text
from stemeditor.app.remembered import remembered
from stemeditor.app.theme import font, scaled
from stemeditor.errors import UserError
from stemeditor.jobs.job import Job
from stemeditor.jobs.models import ImportRequest, import_model, warm
from stemeditor.jobs.pool import NET
from stemeditor.methods import registry, runner
from stemeditor.methods.base import MethodInfo, Missing, Preset
from stemeditor.methods.components import OVERRULE
from stemeditor.methods.ensemble import JOIN
from stemeditor.weights import catalogue

_SETTLED_MS = 300
_MOST_SOURCE = 360
_ADD = "Add a network…"


class SeparateDialog(Passing):
    """All methods, what they do, what they take for this song, and their parameters."""

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._forms: dict[str, Form] = {}
        self.setWindowTitle("Separate")
        self.fit(860, 600)
        self.methods = QListWidget()
        self.methods.setAccessibleName("Methods")
        self.methods.setFixedWidth(scaled(270))
        # Combinations begin alike, and some end alike: the middle is what can be left out.
        self.methods.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find a method")
        self.search.setAccessibleName("Find a method")
        self.search.setToolTip("Name, key, family, or what it is for (Ctrl+F)")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._narrow)
        self.search.installEventFilter(self)
        QShortcut(QKeySequence.StandardKey.Find, self, self.search.setFocus)
        self.nothing = self._text("small")
        self.nothing.setText("No method matches.")
        self._told: dict[str, str] = {}
        self._trouble = ""
        self._over = False
        self._keys: tuple[str, ...] = ()
        self._rows: dict[str, int] = {}
        self._missing: dict[str, Missing | None] = {}
        self.add = QPushButton(_ADD)
        self.add.setToolTip("Choose the files of a network: one that was trained with this program, or a published one")
        self.add.setAutoDefault(False)
        self.add.clicked.connect(self._ask_files)
        self._adding: Job | None = None
        controller.jobs_changed.connect(self._jobs_changed)
        self.waiting = self._text("small")
        self.name = self._text("title")
        self.sentence = self._text("")
        self.facts = self._text("small")
        self.source = self._text("small")
        self.trouble = self._text("error")
        self.lacking = self._text("")
        self.get = QPushButton()
        self.get.setProperty("role", "primary")
        self.get.clicked.connect(self._get)
        self._fetching = fetching_of(controller)
        self._fetching.changed.connect(self._show_lacking)
        self._fetching.ended.connect(self._fetched)
        self.better = QPushButton()
        self.better.setToolTip("See what it needs, how long it takes, and under which licence it comes")
        self.better.setAutoDefault(False)
        self.better.clicked.connect(self._choose_better)
        self.presets = Presets()
        self.presets.chosen.connect(self._preset)
        self.combine = QPushButton("Combine…")
        self.combine.setToolTip("Put methods together: the mean of two is often cleaner than either")
        self.combine.setAutoDefault(False)
        self.combine.clicked.connect(self._combine)
        self.drop = QPushButton("Take off the list")
        self.drop.setToolTip("Forget this combination")
        self.drop.clicked.connect(self._drop)
        self.instead = QPushButton()
        self.instead.clicked.connect(self._choose_instead)
        self.selection = QPushButton("Use the selection")
        self.selection.setToolTip("Take what is selected in the song as the example")
        self.selection.clicked.connect(self._use_selection)
        self.parts = QPushButton("Parts…")
        self.parts.setToolTip("See the parts this method finds, and move them to other stems")
        self.parts.clicked.connect(self._show_parts)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QScrollArea.Shape.NoFrame)
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Bring the defaults of this method back")
        self.reset.clicked.connect(self._reset)
        buttons = QDialogButtonBox()
        self.start = buttons.addButton("Separate", QDialogButtonBox.ButtonRole.AcceptRole)
        self.start.setProperty("role", "primary")
        self.start.setToolTip("Take the song apart with this method (Enter)")
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.addButton(self.reset, QDialogButtonBox.ButtonRole.ResetRole)
        buttons.accepted.connect(self._start)
        buttons.rejected.connect(self.reject)
        self.page = QWidget()
        right = QVBoxLayout(self.page)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(8)
        for widget in (self.name, self.sentence, self.facts, self.trouble, self.lacking):
            right.addWidget(widget)
        getting = QHBoxLayout()
        getting.addWidget(self.get)
        getting.addWidget(self.better)
        getting.addStretch(1)
        right.addLayout(getting)
        right.addWidget(self.presets)
        extras = QHBoxLayout()
        for button in (self.instead, self.selection, self.parts, self.drop):
            button.setAutoDefault(False)
            extras.addWidget(button)
        self.get.setAutoDefault(False)
        extras.addStretch(1)
        right.addSpacing(6)
        right.addWidget(self._area, 1)
        right.addLayout(extras)
        right.addWidget(self.source)
        body = QHBoxLayout()
        body.setSpacing(20)
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(self.search)
        left.addWidget(self.nothing)
        left.addWidget(self.methods, 1)
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self.add)
        below.addWidget(self.combine)
        left.addLayout(below)
        body.addLayout(left)
        body.addWidget(self.page, 1)
        body.addStretch(0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 18, 18, 16)
        layout.setSpacing(16)
        layout.addLayout(body, 1)
        layout.addWidget(self.waiting)
        layout.addWidget(buttons)
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(_SETTLED_MS)
        self._settled.timeout.connect(self._warm)
        self.methods.currentItemChanged.connect(self._chosen)
        self._fill()
        self.methods.setFocus()
        chosen = controller.settings.text("method")
        self.choose(chosen if chosen in self._rows else registry.default())
        self.methods.itemDoubleClicked.connect(self._start)

    def done(self, result: int) -> None:
        """End; what is being added goes on, and finds nobody here."""
        self._over = True
        super().done(result)

    @property
    def key(self) -> str:
        """Key of the chosen method."""
        return str(self.methods.currentItem().data(Qt.ItemDataRole.UserRole))

    @property
    def form(self) -> Form:
        """The parameters of the chosen method."""
        return self._forms[self.key]

    def choose(self, key: str) -> None:
        """Show the method of that key."""
        self.methods.setCurrentRow(self._rows[key])

    def _fill(self) -> None:
        """List the methods by family; the names of the families cannot be chosen."""
        self.methods.clear()
        self._rows.clear()
        self._keys = registry.keys()
        infos = [registry.info(key) for key in self._keys]
        for family in dict.fromkeys(info.family for info in infos):
            head = QListWidgetItem(family.upper())
            head.setFlags(Qt.ItemFlag.NoItemFlags)
            head.setFont(font(11, QFont.Weight.DemiBold))
            head.setSizeHint(QSize(0, LIST_ITEM_HEIGHT))
            self.methods.addItem(head)
            for info in (info for info in infos if info.family == family):
                item = QListWidgetItem(info.name)
                item.setData(Qt.ItemDataRole.UserRole, info.key)
                item.setSizeHint(QSize(0, LIST_ITEM_HEIGHT))
                item.setToolTip(f"{info.name}\n{info.sentence}")
                self._missing[info.key] = registry.missing(info.key)
                if self._missing[info.key] is not None:
                    item.setForeground(self.palette().placeholderText())
                    item.setText(f"{info.name}  ↓")
                told = (info.name, info.key, family, info.sentence, *info.stems)
                self._told[info.key] = " ".join(told).lower()
                self._rows[info.key] = self.methods.count()
                self.methods.addItem(item)
        self._narrow(self.search.text())

    def _narrow(self, text: str) -> None:
        """Show only the methods of which all these words are said; a family of which none is shown is not, either."""
        words = text.lower().split()
        shown = [key for key in self._rows if all(word in self._told[key] for word in words)]
        head: QListWidgetItem | None = None
        for row in range(self.methods.count()):
            item = self.methods.item(row)
            key = item.data(Qt.ItemDataRole.UserRole)
            item.setHidden(key not in shown)
            if key is None:
                head = item
            elif head is not None and key in shown:
                head.setHidden(False)
        if shown and self.methods.currentItem() is not None and self.methods.currentItem().isHidden():
            self.choose(shown[0])
        self.nothing.setVisible(not shown)
        # What was chosen last stays chosen, but nothing is done with what nobody sees.
        self.page.setVisible(bool(shown))
        self._show_whether()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the arrow keys walk through the methods while the search has the keyboard."""
        if (
            watched is self.search
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down)
        ):
            QApplication.sendEvent(self.methods, event)
            return True
        return super().eventFilter(watched, event)

    def _text(self, role: str) -> QLabel:
        label = QLabel()
        label.setWordWrap(True)
        label.setProperty("role", role)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def _chosen(self) -> None:
        if self.methods.currentItem() is None:
            return
        info: MethodInfo = registry.info(self.key)
        self._settled.start()
        self.name.setText(info.name)
        self.sentence.setText(info.sentence)
        # Combinations have the sources of all: those that find no room here are in the tooltip.
        short = len(info.source) <= _MOST_SOURCE
        self.source.setText(info.source if short else f"{info.source[:_MOST_SOURCE].rpartition(';')[0]}; …")
        self.source.setToolTip("" if short else info.source)
        old = self._area.takeWidget()
        if old is not None:
            old.setParent(None)
        if self.key not in self._forms:
            self._forms[self.key] = Form(info.params, remembered(self._controller.settings, info))
            self._forms[self.key].edited.connect(self._show_estimate)
        self.presets.show_presets(info.presets)
        self._show_estimate()
        self._area.setWidget(self._forms[self.key])
        self.reset.setEnabled(bool(info.params))
        song = self._controller.document.base.song
        trouble = runner.unsuited(song.sound.audio, info) if song is not None else ""
        self.trouble.setText(trouble)
        self.trouble.setVisible(bool(trouble))
        self.instead.setVisible(bool(trouble) and info.instead in self._rows)
        if info.instead:
            self.instead.setText(f"Use {registry.info(info.instead).name} instead")
        self.better.setVisible(info.better in self._rows)
        if info.better in self._rows:
            price = ", a download" if self._missing[info.better] is not None else ""
            self.better.setText(f"Cleaner stems: {registry.info(info.better).name}{price}")
        names = {param.name for param in info.params}
        self.selection.setVisible({"from_s", "to_s"} <= names)
        self.selection.setEnabled(self._controller.selection is not None)
        self.parts.setVisible(OVERRULE.name in names)
        self.drop.setVisible(JOIN in self.key)
        self._trouble = trouble
        self._show_lacking()

    def _show_estimate(self, *ignored: object) -> None:
        """Say how long it takes with what is set, and which preset that is."""
        info = registry.info(self.key)
        values = self.form.values
        estimate = self._controller.estimate_s(self.key, values)
        time = f"  ·  {duration_text(estimate)} for this song" if estimate is not None else ""
        self.facts.setText(f"{', '.join(info.stems).capitalize()}  ·  {info.family}{time}")
        times = [self._controller.estimate_s(self.key, {**values, **preset.params}) for preset in info.presets]
        self.presets.show_state(values, [duration_text(one) if one is not None else "" for one in times])

    def _preset(self, preset: Preset) -> None:
        for name, value in preset.params.items():
            self.form.editors[name].show_value(value)
        self._show_estimate()

    def _show_lacking(self) -> None:
        """Say what the method needs, and offer to get it."""
        if self.methods.currentItem() is None:
            return
        lacking = self._missing[self.key]
        self.lacking.setVisible(lacking is not None)
        self.get.setVisible(lacking is not None and (bool(lacking.pack) or "import" in lacking.command))
        if lacking is not None:
            coming = self._fetching.text(lacking.pack) if lacking.pack else ""
            licence = f" Licence: {catalogue.pack(lacking.pack).licence}." if lacking.pack else ""
            hint = "" if lacking.pack else f" {lacking.command}" if "pip" in lacking.command else ""
            self.lacking.setText(coming or f"{lacking.text}{licence}{hint}")
            self.get.setText("Stop" if coming else "Download" if lacking.pack else "Import…")
        self._show_whether()

    def _show_whether(self) -> None:
        """Say whether the song can be taken apart now, and if not, why."""
        if self.methods.currentItem() is None:
            return
        free, suits = self._controller.can_separate, not self._trouble
        self.parts.setEnabled(free and suits)
        self.start.setEnabled(free and suits and self._missing[self.key] is None and self.nothing.isHidden())
        busy = self._controller.document.base.song is not None and not free
        what = "A separation is running" if self._controller.separating else "A song is being opened"
        self.waiting.setText(f"{what}; the next separation can begin when it has ended." if busy else "")
        self.waiting.setVisible(busy)

    def _jobs_changed(self) -> None:
        self._show_adding()
        self._show_whether()

    def _get(self) -> None:
        lacking = self._missing[self.key]
        if lacking is None:
            return
        if not lacking.pack:
            self._ask_files()
        elif self._fetching.running(lacking.pack):
            self._fetching.stop(lacking.pack)
        else:
            self._fetching.start(lacking.pack)

    def _ask_files(self) -> None:
        from stemeditor.app.panels.models import KINDS

        files, _ = QFileDialog.getOpenFileNames(self, "Add a network", "", KINDS)
        if files:
            self.import_files(tuple(Path(file) for file in files))

    def import_files(self, files: tuple[Path, ...]) -> None:
        """Take in files of a network, and choose the method that uses them; say what is wrong if they are none."""

        def added(key: str) -> None:
            if not self._over:
                self._added(key)

        def failed(error: UserError) -> bool:
            if self._over:
                return False
            self.trouble.setText(str(error))
            self.trouble.setVisible(True)
            return True

        run = self._controller.compute
        self._adding = run("Import a model", import_model, ImportRequest(files), lambda piece: None, added, failed, NET)
        self._show_adding()

    def _show_adding(self) -> None:
        """Let nobody add another while one is being added; somebody may have stopped that, too."""
        adding = any(state.id == self._adding.id for state in self._controller.jobs) if self._adding else False
        self.add.setEnabled(not adding)
        self.add.setText("Adding…" if adding else _ADD)

    def _fetched(self, key: str, trouble: str) -> None:
        chosen = self.key
        self._fill()
        self.choose(chosen)
        if trouble:
            self.trouble.setText(trouble)
            self.trouble.setVisible(True)

    def _combine(self) -> None:
        from stemeditor.app.panels.combine import CombineDialog

        dialog = CombineDialog(self)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self.add_ensemble(dialog.key)

    def add_ensemble(self, key: str) -> None:
        """Put a combination on the list of methods, and choose it."""
        settings = self._controller.settings
        settings.set("ensembles", list(dict.fromkeys([*settings.names("ensembles"), key])))
        self._added(key)

    def _drop(self) -> None:
        settings = self._controller.settings
        settings.set("ensembles", [key for key in settings.names("ensembles") if key != self.key])
        self._added(registry.default())

    def _added(self, key: str) -> None:
        self._forms.pop(key, None)
        self._fill()
        self.choose(key)

    def _warm(self) -> None:
        """Start what computes the chosen method while its page is read, unless something plays that would stutter."""
        if not self._controller.player.playing and not self._controller.closed:
            self._controller.paint(warm, self.key, queue=NET)

    def _choose_instead(self) -> None:
        self.choose(registry.info(self.key).instead)

    def _choose_better(self) -> None:
        self.choose(registry.info(self.key).better)

    def _use_selection(self) -> None:
        if self._controller.selection is not None:
            rate = self._controller.project.rate
            for name, frame in zip(("from_s", "to_s"), self._controller.selection, strict=True):
                self.form.editors[name].show_value(frame / rate)

    def _show_parts(self) -> None:
        from stemeditor.app.panels.parts import PartsDialog

        dialog = PartsDialog(self._controller, self.key, self.form.values, self)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self.form.editors[OVERRULE.name].show_value(dialog.orders)

    def _reset(self) -> None:
        self.form.reset()

    def _start(self, *ignored: object) -> None:
        if not self._controller.can_separate or not self.start.isEnabled():
            return
        self._controller.settings.set("method", self.key)
        self._controller.separate(self.key, self.form.values)
        self.accept()
