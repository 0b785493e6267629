"""Out of an app's own process: samples and events on their way to a board, behind a buffer."""
