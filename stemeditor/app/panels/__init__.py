"""The panels and dialogs around the lanes."""
