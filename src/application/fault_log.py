"""A fault in the log: said when it begins and when it is over, not each time that it is met."""

import logging


class FaultLog:
    """Says each fault of one thing once, for as long as it lasts."""

    def __init__(self, log: logging.Logger, over: str = "it is over") -> None:
        """Say it in `log`; `over` is what is said when it is over."""
        self._log = log
        self._over = over
        self._lasting: str | None = None

    def met(self, fault: str) -> None:
        """Say the fault, unless it is the one that was said last and is not over."""
        if fault != self._lasting:
            self._log.error("%s", fault)
        self._lasting = fault

    def over(self) -> None:
        """Say that it is over, where one was met."""
        if self._lasting is not None:
            self._log.warning("%s", self._over)
        self.forget()

    def forget(self) -> None:
        """Say the next fault in any case."""
        self._lasting = None
