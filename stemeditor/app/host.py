"""What the table of actions needs of the window that it serves."""

from __future__ import annotations

from typing import Protocol

from stemeditor.app.controller import Controller
from stemeditor.app.lanes.lane_list import LaneList
from stemeditor.app.viewport import Viewport


class Host(Protocol):
    """What the table needs of the window that it serves."""

    controller: Controller
    viewport: Viewport
    lanes: LaneList

    def ask_open(self) -> None:
        """Let the user choose a song."""

    def save(self) -> None:
        """Save the project, into a file of the user's choice if it has none."""

    def ask_save_as(self) -> None:
        """Save the project into a file of the user's choice."""

    def ask_export(self) -> None:
        """Show what can be written."""

    def ask_settings(self) -> None:
        """Show the settings."""

    def ask_models(self) -> None:
        """Show the networks of others."""

    def ask_train(self) -> None:
        """Show what networks can be trained."""

    def ask_separate(self) -> None:
        """Show the methods."""

    def ask_compare(self) -> None:
        """Show methods side by side."""

    def separate(self) -> None:
        """Take the song apart."""

    def ask_time(self) -> None:
        """Let the user say where to go."""

    def ask_export_lane(self) -> None:
        """Show how the current lane can be written."""

    def show_pace(self) -> None:
        """Show how fast, and how high, it is played."""

    def close_song(self) -> None:
        """Close the song; the window if there is none."""

    def select_all(self) -> None:
        """Select the whole song."""

    def go_to(self, frame: int) -> None:
        """Put the playhead somewhere, and show it."""

    def escape(self) -> None:
        """Get out of what is going on."""

    def toggle_full_screen(self) -> None:
        """Fill the screen, or no longer."""

    def show_shortcuts(self) -> None:
        """Show all keys."""

    def show_about(self) -> None:
        """Show version and licences."""

    def close(self) -> bool:
        """End the program."""
