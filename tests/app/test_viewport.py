import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemeditor.app.lanes.ruler import clock, seconds_of, ticks
from stemeditor.app.viewport import TALLEST, Follower, Viewport, Window

FRAMES = 10_000_000


def viewport(frames: int = FRAMES) -> Viewport:
    made = Viewport()
    made.set_song(frames)
    return made


@given(start=st.floats(0, 1e7), span=st.floats(64, 1e7), x=st.floats(0, 4000), width=st.integers(1, 4000))
def test_pixel_to_frame_and_back(start: float, span: float, x: float, width: int) -> None:
    window = Window(start, start + span, FRAMES)
    assert abs(window.x(window.frame(x, width), width) - x) < 1e-3


@given(
    st.lists(
        st.tuples(st.sampled_from(["zoom", "scroll", "show", "reveal", "fit", "magnify"]), st.floats(0.01, 1e7)),
        max_size=20,
    )
)
def test_the_view_never_leaves_the_song(moves: list[tuple[str, float]]) -> None:
    made = viewport()
    for name, number in moves:
        match name:
            case "zoom":
                made.zoom(number / 1000, number)
            case "scroll":
                made.scroll(number - 5e6)
            case "show":
                made.show(number - 100, number + 5000)
            case "reveal":
                made.reveal(number)
            case "fit":
                made.fit()
            case "magnify":
                made.magnify(number / 1000)
        assert 1.0 <= made.magnification <= TALLEST
        window = made.window
        assert 0 <= window.start < window.stop <= FRAMES + 1e-6
        assert window.span >= 63.9


@given(at=st.floats(2e6, 8e6), factor=st.floats(0.1, 0.99))
def test_zooming_keeps_the_frame_under_the_pointer(at: float, factor: float) -> None:
    made = viewport()
    before = made.window.x(at, 1000)
    made.zoom(factor, at)
    assert abs(made.window.x(at, 1000) - before) < 0.01


def test_another_song_is_as_tall_as_it_is() -> None:
    made = viewport(1000)
    told: list[float] = []
    made.listen(lambda: told.append(made.magnification))
    made.magnify(4.0)
    made.set_song(2000)
    assert made.magnification == 4.0
    made.set_song(2000, "another")
    assert made.magnification == 1.0
    assert told == [4.0, 4.0, 1.0]


def test_another_song_is_shown_whole_and_a_growing_one_keeps_a_chosen_view() -> None:
    made = viewport(1000)
    assert made.whole
    made.set_song(2000)
    assert made.whole
    made.show(100, 400)
    made.set_song(3000)
    assert (made.window.start, made.window.stop) == (100, 400)
    made.set_song(0)
    made.set_song(500)
    assert made.whole


def test_another_song_is_shown_whole_even_if_it_is_as_long() -> None:
    made = viewport(1000)
    made.set_song(1000, "a")
    made.show(100, 400)
    made.set_song(1000, "a")
    assert not made.whole
    made.set_song(1000, "b")
    assert made.whole
    made.show(100, 400)
    made.set_song(3000, "c")
    assert made.whole


def test_the_page_turns_until_the_user_looks_elsewhere_and_again_once_the_playhead_is_back() -> None:
    made = viewport(1000)
    made.show(0, 100)
    follower = Follower(made)
    follower.follow(150)
    assert made.window.start <= 150 < made.window.stop
    made.show(700, 800)
    follower.follow(160)
    assert made.window.start == 700
    made.show(100, 200)
    follower.follow(170)
    follower.follow(250)
    assert made.window.start <= 250 < made.window.stop
    made.show(700, 800)
    follower.restart()
    follower.follow(260)
    assert made.window.start <= 260 < made.window.stop
    made.show(700, 800)
    follower.go(10)
    assert made.window.start <= 10 < made.window.stop


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("62.5", 62.5), ("1:02,5", 62.5), (" 1:00:02 ", 3602.0), ("", None), ("1:x", None), ("-3", None), ("nan", None)],
)
def test_a_time_is_read_as_it_is_written(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_listeners_hear_of_moves_only() -> None:
    made, heard = viewport(), []
    listener = lambda: heard.append(1)  # noqa: E731
    made.listen(listener)
    made.fit()
    assert heard == []
    made.zoom(0.5, 100)
    made.forget(listener)
    made.zoom(0.5, 100)
    assert heard == [1]


def test_clocks_and_ticks() -> None:
    assert clock(0) == "0:00.000"
    assert clock(61.2345) == "1:01.234" or clock(61.2345) == "1:01.235"
    assert clock(3723.5, 1) == "1:02:03.5"
    assert clock(59.9996) == "1:00.000"
    assert clock(75, 0) == "1:15"
    step, times = ticks(Window(0, 44100 * 60, 44100 * 60), 44100, 1000)
    assert step == 10
    assert times[:3] == [0, 10, 20]
