"""Projects for other programs: one file a format."""
