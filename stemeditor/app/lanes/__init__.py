"""The rows of the window: headers, canvases, ruler, overview."""
