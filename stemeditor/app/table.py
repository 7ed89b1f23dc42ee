"""Everything that a key, a menu or a button can do, once, as a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from stemeditor.app.controller import Controller
from stemeditor.app.host import Host
from stemeditor.app.viewport import TALLEST
from stemeditor.audio.stretch import FASTEST, HIGHEST, LOWEST, SLOWEST
from stemeditor.project import edits


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to do.

    Parameters
    ----------
    id
        Its name in the program.
    menu
        Which menu it stands in.
    text
        What it is called; "&" before the letter that chooses it.
    keys
        Shortcuts, the first of which is shown.
    verb
        Host -> None.
    enabled
        Host -> whether it can be done now.
    group
        Rows of one menu with different groups are parted by a line.
    """

    id: str
    menu: str
    text: str
    keys: tuple[str, ...]
    verb: Callable[[Host], object]
    enabled: Callable[[Host], bool] = lambda window: True
    group: int = 0


def _song(window: Host) -> bool:
    return window.controller.project.song is not None


def _savable(window: Host) -> bool:
    return window.controller.filing.can_save


def _comparable(window: Host) -> bool:
    return window.controller.document.base.song is not None and not window.controller.opening


def _stems(window: Host) -> bool:
    return bool(window.controller.document.base.stems)


def _lane(window: Host) -> bool:
    return window.controller.current_lane is not None


def _selection(window: Host) -> bool:
    return window.controller.selection is not None


def _part(window: Host) -> bool:
    return window.controller.selected_lane is not None and not window.controller.opening


def _edited(window: Host) -> bool:
    return window.controller.scissors.edited and not window.controller.opening


def _pastable(window: Host) -> bool:
    return window.controller.scissors.can_paste and not window.controller.opening


def _amplify(by_db: float) -> Callable[[Host], None]:
    return lambda window: window.controller.scissors.amplify(by_db)


def _taker(window: Host, number: int) -> str | None:
    """Return the id of a lane, by its number, if what is selected can be moved there; else None."""
    lanes = window.controller.project.lanes
    others = {other.id for other in window.controller.scissors.others}
    return lanes[number - 1].id if number <= len(lanes) and lanes[number - 1].id in others else None


def _can_give(number: int) -> Callable[[Host], bool]:
    return lambda window: _taker(window, number) is not None and not window.controller.opening


def _give(number: int) -> Callable[[Host], None]:
    def give(window: Host) -> None:
        taker = _taker(window, number)
        if taker is not None:
            window.controller.scissors.transfer(taker)

    return give


def _any_solo(window: Host) -> bool:
    return any(lane.soloed for lane in window.controller.project.lanes)


def _any_mute(window: Host) -> bool:
    return any(lane.muted for lane in edits.mutable(window.controller.project))


def _zoomed(window: Host) -> bool:
    return _song(window) and not window.viewport.whole


def _can_grow(window: Host) -> bool:
    return _song(window) and window.viewport.magnification < TALLEST


def _can_shrink(window: Host) -> bool:
    return _song(window) and window.viewport.magnification > 1.0


def _exportable(window: Host) -> bool:
    return any(lane.id == window.controller.current_lane for lane in window.controller.document.base.stems)


def _place(window: Host) -> int | None:
    """Return the number of the current lane; None if there is none."""
    ids = [lane.id for lane in window.controller.project.lanes]
    current = window.controller.current_lane
    return ids.index(current) if current in ids else None


def _not_first(window: Host) -> bool:
    return bool(_place(window))


def _not_last(window: Host) -> bool:
    place = _place(window)
    return place is not None and place < len(window.controller.project.lanes) - 1


def _has_lane(number: int) -> Callable[[Host], bool]:
    return lambda window: number <= len(window.controller.project.lanes)


def _flip_mute(window: Host) -> None:
    lane_id = window.controller.current_lane
    if lane_id is not None:
        window.controller.set_muted(lane_id, not window.controller.project.lane(lane_id).muted)


def _flip_solo(window: Host) -> None:
    lane_id = window.controller.current_lane
    if lane_id is not None:
        window.controller.set_soloed(lane_id, not window.controller.project.lane(lane_id).soloed)


def _solo_number(number: int) -> Callable[[Host], None]:
    def solo(window: Host) -> None:
        lanes = window.controller.project.lanes
        if number <= len(lanes):
            lane = lanes[number - 1]
            window.controller.set_current_lane(lane.id)
            window.controller.set_soloed(lane.id, not lane.soloed)

    return solo


def _step_lane(by: int) -> Callable[[Host], None]:
    def step(window: Host) -> None:
        ids = [lane.id for lane in window.controller.project.lanes]
        if ids:
            place = ids.index(window.controller.current_lane) if window.controller.current_lane in ids else 0
            window.controller.set_current_lane(ids[min(max(place + by, 0), len(ids) - 1)])

    return step


def _move_lane(by: int) -> Callable[[Host], None]:
    def move(window: Host) -> None:
        ids = [lane.id for lane in window.controller.project.lanes]
        current = window.controller.current_lane
        if current in ids:
            window.controller.move_lane(current, ids.index(current) + by)

    return move


def _step_time(seconds: float) -> Callable[[Host], None]:
    def step(window: Host) -> None:
        controller = window.controller
        window.go_to(controller.player.position + round(seconds * controller.project.rate))

    return step


def _speed_step(by: float) -> Callable[[Host], None]:
    return lambda window: window.controller.set_pace(speed=_next(window.controller.pace.speed, by))


def _pitch_step(by: float) -> Callable[[Host], None]:
    return lambda window: window.controller.set_pace(semitones=_next(window.controller.pace.semitones, by))


def _next(value: float, by: float) -> float:
    """Return the next whole number of steps above or below a value."""
    count = value / by
    return by * (math.floor(count + 1e-6) + 1)


def _slower_possible(window: Host) -> bool:
    return _song(window) and window.controller.pace.speed > SLOWEST


def _faster_possible(window: Host) -> bool:
    return _song(window) and window.controller.pace.speed < FASTEST


def _lower_possible(window: Host) -> bool:
    return _song(window) and window.controller.pace.semitones > LOWEST


def _higher_possible(window: Host) -> bool:
    return _song(window) and window.controller.pace.semitones < HIGHEST


def _paced(window: Host) -> bool:
    return _song(window) and not window.controller.pace.plain


def _zoom(factor: float) -> Callable[[Host], None]:
    def zoom(window: Host) -> None:
        view = window.viewport.window
        playhead = window.controller.player.position
        at = playhead if view.start <= playhead <= view.stop else (view.start + view.stop) / 2
        window.viewport.zoom(factor, at)

    return zoom


def _magnify(factor: float) -> Callable[[Host], None]:
    return lambda window: window.viewport.magnify(factor)


def _page(by: float) -> Callable[[Host], None]:
    def page(window: Host) -> None:
        window.viewport.scroll(by * window.viewport.window.span)

    return page


def _on_lane(verb: Callable[[Controller, str], object]) -> Callable[[Host], None]:
    def act(window: Host) -> None:
        if window.controller.current_lane is not None:
            verb(window.controller, window.controller.current_lane)

    return act


def _rename(window: Host) -> None:
    if window.controller.current_lane is not None:
        window.lanes.rename(window.controller.current_lane)


def _type_gain(window: Host) -> None:
    if window.controller.current_lane is not None:
        window.lanes.type_gain(window.controller.current_lane)


def _zoom_selection(window: Host) -> None:
    if window.controller.selection is not None:
        start, stop = window.controller.selection
        margin = 0.02 * (stop - start)
        window.viewport.show(start - margin, stop + margin)


def _gain_step(by_db: float) -> Callable[[Host], None]:
    def step(window: Host) -> None:
        from stemeditor.audio.levels import db, gain

        lane_id = window.controller.current_lane
        if lane_id is not None:
            level = window.controller.project.lane(lane_id).gain
            window.controller.set_gain(lane_id, gain(db(level) + by_db) if level > 0 else gain(-60.0))

    return step


GIVE = "give_"
"""Begins the ids of the rows that move what is selected to a lane; its number follows."""

TABLE: tuple[Row, ...] = (
    Row("open", "&File", "&Open…", ("Ctrl+O",), lambda w: w.ask_open()),
    Row("demo", "&File", "Open the &demo song", (), lambda w: w.controller.open_demo()),
    Row("close", "&File", "&Close song", ("Ctrl+W",), lambda w: w.close_song()),
    Row("save", "&File", "&Save", ("Ctrl+S",), lambda w: w.save(), _savable, 1),
    Row("save_as", "&File", "Save &as…", ("Ctrl+Shift+S",), lambda w: w.ask_save_as(), _savable, 1),
    Row("export", "&File", "&Export…", ("Ctrl+E",), lambda w: w.ask_export(), _song, 2),
    Row("export_lane", "&File", "Export this &lane…", ("Ctrl+Shift+E",), lambda w: w.ask_export_lane(), _exportable, 2),
    Row("settings", "&File", "Se&ttings…", ("Ctrl+,",), lambda w: w.ask_settings(), group=3),
    Row("quit", "&File", "&Quit", ("Ctrl+Q",), lambda w: w.close(), group=4),
    Row(
        "undo",
        "&Edit",
        "&Undo",
        ("Ctrl+Z",),
        lambda w: w.controller.undo(),
        lambda w: w.controller.can_undo,
    ),
    Row(
        "redo",
        "&Edit",
        "&Redo",
        ("Ctrl+Shift+Z", "Ctrl+Y"),
        lambda w: w.controller.redo(),
        lambda w: w.controller.can_redo,
    ),
    Row("cut", "&Edit", "Cu&t", ("Ctrl+X",), lambda w: w.controller.scissors.cut(), _part, 1),
    Row("copy", "&Edit", "&Copy", ("Ctrl+C",), lambda w: w.controller.scissors.copy(), _part, 1),
    Row("paste", "&Edit", "&Paste", ("Ctrl+V",), lambda w: w.controller.scissors.paste(), _pastable, 1),
    Row("silence", "&Edit", "S&ilence", ("Del", "Backspace"), lambda w: w.controller.scissors.silence(), _part, 2),
    Row("keep", "&Edit", "&Keep only this", ("Ctrl+T",), lambda w: w.controller.scissors.keep(), _part, 2),
    Row("fade_in", "&Edit", "&Fade in", ("I",), lambda w: w.controller.scissors.fade(out=False), _part, 2),
    Row("fade_out", "&Edit", "Fade &out", ("O",), lambda w: w.controller.scissors.fade(out=True), _part, 2),
    Row("part_louder", "&Edit", "&Louder by 1 dB", ("Alt+Shift+Right",), _amplify(1.0), _part, 2),
    Row("part_softer", "&Edit", "Sof&ter by 1 dB", ("Alt+Shift+Left",), _amplify(-1.0), _part, 2),
    *(
        Row(
            f"{GIVE}{number}",
            "&Edit",
            f"Move to lane {number}",
            (f"Ctrl+{number}",),
            _give(number),
            _can_give(number),
            2,
        )
        for number in range(1, 10)
    ),
    Row(
        "restore",
        "&Edit",
        "B&ring back the original",
        ("Ctrl+Backspace",),
        lambda w: w.controller.scissors.restore(),
        _edited,
        2,
    ),
    Row("select_all", "&Edit", "Select &all", ("Ctrl+A",), lambda w: w.select_all(), _song, 3),
    Row(
        "clear", "&Edit", "Clear s&election", ("Ctrl+Shift+A",), lambda w: w.controller.clear_selection(), _selection, 3
    ),
    Row("mark_start", "&Edit", "&Begin the selection here", ("[",), lambda w: w.controller.mark_start(), _song, 3),
    Row("mark_stop", "&Edit", "E&nd the selection here", ("]",), lambda w: w.controller.mark_stop(), _song, 3),
    Row("extend_start", "&Edit", "Select to the start", ("Shift+Home",), lambda w: w.controller.extend_to(0), _song, 3),
    Row(
        "extend_end",
        "&Edit",
        "Select to the end",
        ("Shift+End",),
        lambda w: w.controller.extend_to(w.controller.project.frames),
        _song,
        3,
    ),
    Row("escape", "&Edit", "Close messages, deselect, or stop the newest job", ("Esc",), lambda w: w.escape(), group=4),
    Row(
        "separate",
        "&Separate",
        "&Separate",
        ("Ctrl+Return",),
        lambda w: w.separate(),
        lambda w: w.controller.can_separate,
    ),
    Row(
        "stop_separation",
        "&Separate",
        "S&top separating",
        (),
        lambda w: w.controller.cancel_separation(),
        lambda w: w.controller.separating,
    ),
    Row("method", "&Separate", "Separate &with…", ("Ctrl+Shift+Return",), lambda w: w.ask_separate(), _song),
    Row("compare", "&Separate", "&Compare methods…", ("Ctrl+M",), lambda w: w.ask_compare(), _comparable, 1),
    Row("models", "&Separate", "Mo&dels…", ("Ctrl+Shift+M",), lambda w: w.ask_models(), group=1),
    Row("train", "&Separate", "T&rain a network…", (), lambda w: w.ask_train(), group=1),
    Row("mute", "&Lane", "&Mute", ("M",), _flip_mute, _lane),
    Row("solo", "&Lane", "&Solo", ("S",), _flip_solo, _lane),
    Row("clear_solo", "&Lane", "&Clear all solos", ("Shift+S",), lambda w: w.controller.clear_solo(), _any_solo),
    Row("unmute", "&Lane", "U&nmute all", ("Shift+M",), lambda w: w.controller.unmute_all(), _any_mute),
    Row("louder", "&Lane", "&Louder by 1 dB", ("Alt+Right",), _gain_step(1.0), _lane, 1),
    Row("softer", "&Lane", "S&ofter by 1 dB", ("Alt+Left",), _gain_step(-1.0), _lane, 1),
    Row("type_gain", "&Lane", "T&ype a level", ("G",), _type_gain, _lane, 1),
    Row("reset_gain", "&Lane", "Reset &gain", (), _on_lane(lambda c, lane: c.set_gain(lane, 1.0)), _lane, 1),
    Row("reset_pan", "&Lane", "Reset &pan", (), _on_lane(lambda c, lane: c.set_pan(lane, 0.0)), _lane, 1),
    Row("rename", "&Lane", "&Rename", ("F2",), _rename, _lane, 1),
    Row("up", "&Lane", "Lane &above", ("Up",), _step_lane(-1), _lane, 2),
    Row("down", "&Lane", "Lane &below", ("Down",), _step_lane(1), _lane, 2),
    Row("move_up", "&Lane", "Move &up", ("Alt+Up",), _move_lane(-1), _not_first, 2),
    Row("move_down", "&Lane", "Move &down", ("Alt+Down",), _move_lane(1), _not_last, 2),
    *(
        Row(
            f"solo_{number}", "&Lane", f"Solo lane {number}", (str(number),), _solo_number(number), _has_lane(number), 3
        )
        for number in range(1, 10)
    ),
    Row("play", "&Transport", "&Play or pause", ("Space",), lambda w: w.controller.play_pause(), _song),
    Row("stop", "&Transport", "&Stop", ("Shift+Space", "."), lambda w: w.controller.stop(), _song),
    Row(
        "loop",
        "&Transport",
        "&Loop",
        ("L",),
        lambda w: w.controller.set_looping(not w.controller.looping),
        _song,
    ),
    Row(
        "alone",
        "&Transport",
        "&Hear only what is selected",
        ("H",),
        lambda w: w.controller.hear_alone(not w.controller.alone),
        _part,
    ),
    Row("clip", "&Transport", "Put the &clip light out", ("C",), lambda w: w.controller.player.reset_clip(), _song),
    Row("pace", "&Transport", "Speed and p&itch…", ("P",), lambda w: w.show_pace(), _song, 1),
    Row("slower", "&Transport", "S&lower by 5 %", ("Ctrl+Down",), _speed_step(-0.05), _slower_possible, 1),
    Row("faster", "&Transport", "&Faster by 5 %", ("Ctrl+Up",), _speed_step(0.05), _faster_possible, 1),
    Row("lower", "&Transport", "L&ower by a semitone", ("Ctrl+Shift+Down",), _pitch_step(-1.0), _lower_possible, 1),
    Row("higher", "&Transport", "&Higher by a semitone", ("Ctrl+Shift+Up",), _pitch_step(1.0), _higher_possible, 1),
    Row(
        "own_pace",
        "&Transport",
        "O&riginal speed and pitch",
        ("Ctrl+R",),
        lambda w: w.controller.set_pace(1.0, 0.0),
        _paced,
        1,
    ),
    Row("start", "&Transport", "To the &start", ("Home",), lambda w: w.go_to(0), _song, 2),
    Row("end", "&Transport", "To the &end", ("End",), lambda w: w.go_to(w.controller.project.frames), _song, 2),
    Row("go_to", "&Transport", "&Go to a time…", ("Ctrl+G",), lambda w: w.ask_time(), _song, 2),
    Row("back", "&Transport", "Back 1 s", ("Left",), _step_time(-1), _song, 3),
    Row("forward", "&Transport", "Forward 1 s", ("Right",), _step_time(1), _song, 3),
    Row("far_back", "&Transport", "Back 5 s", ("Shift+Left",), _step_time(-5), _song, 3),
    Row("far_forward", "&Transport", "Forward 5 s", ("Shift+Right",), _step_time(5), _song, 3),
    Row("zoom_in", "&View", "Zoom &in", ("+", "=", "Ctrl++", "Ctrl+="), _zoom(0.6), _song),
    Row("zoom_out", "&View", "Zoom &out", ("-", "Ctrl+-"), _zoom(1 / 0.6), _zoomed),
    Row("fit", "&View", "&Whole song", ("Ctrl+0",), lambda w: w.viewport.fit(), _zoomed),
    Row("fit_selection", "&View", "Zoom to &selection", ("F",), _zoom_selection, _selection),
    Row("page_back", "&View", "A page &back", ("PgUp",), _page(-0.9), _zoomed),
    Row("page_on", "&View", "A page &on", ("PgDown",), _page(0.9), _zoomed),
    Row("taller", "&View", "&Taller waveforms", ("Shift+Up",), _magnify(2.0), _can_grow, 1),
    Row("flatter", "&View", "F&latter waveforms", ("Shift+Down",), _magnify(0.5), _can_shrink, 1),
    Row(
        "view",
        "&View",
        "Waveform or s&pectrogram",
        ("W",),
        lambda w: w.lanes.toggle_view(w.controller.current_lane),
        _lane,
        1,
    ),
    Row(
        "view_all",
        "&View",
        "Waveforms or spectrograms, &all",
        ("Shift+W",),
        lambda w: w.lanes.toggle_view(None),
        _song,
        1,
    ),
    Row("full", "&View", "&Full screen", ("F11",), lambda w: w.toggle_full_screen(), group=2),
    Row("shortcuts", "&Help", "&Keyboard shortcuts", ("F1",), lambda w: w.show_shortcuts()),
    Row("about", "&Help", "&About", (), lambda w: w.show_about()),
)


MOVE = "move to"
"""Where a menu has another, of the lanes that what is selected can be moved to."""

PART_MENU = (
    *("alone", "", "cut", "copy", "paste", "", "silence", "keep", "fade_in", "fade_out", "part_louder", "part_softer"),
    *(MOVE, "", "restore", "", "fit_selection", "loop", "clear"),
)
"""What a right click on what is selected of a lane offers; "" for a line between."""

LANE_MENU = (
    *("rename", "mute", "solo", "clear_solo", "unmute", "", "type_gain", "reset_gain", "reset_pan", ""),
    *("paste", "", "move_up", "move_down", "", "view", "export_lane"),
)
"""What a right click elsewhere on a lane offers."""
