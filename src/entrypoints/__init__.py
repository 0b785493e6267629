"""The ways in: the server, the shell, and the process that imports opsboard."""
