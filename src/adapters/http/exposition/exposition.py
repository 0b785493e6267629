"""Answers with the metrics in a format, out of what is kept of earlier answers."""

import asyncio

from ....application.board import Opsboard
from ....application.query_metrics import MetricsQuestion
from .forms import Form
from .gzip_parts import Part, gzip_file
from .own import own_families
from .page import Page

KEPT_SECONDS = 300.0
"""Pages are forgotten when nobody asked for them for so long."""


class Exposition:
    """The metrics of a board, as Prometheus reads them.

    The page of the question that servers ask, which has no parameter, is kept for each format.
    """

    def __init__(self, board: Opsboard, version: str, kept_seconds: float = KEPT_SECONDS) -> None:
        self._board = board
        self._version = version
        self._kept_seconds = kept_seconds
        self._pages: dict[Form, Page] = {}
        self._forgetting: dict[Form, asyncio.TimerHandle] = {}
        self._rendering = asyncio.Lock()

    @property
    def kept(self) -> frozenset[Form]:
        """The formats of which a page is kept."""
        return frozenset(self._pages)

    async def parts(self, question: MetricsQuestion, form: Form) -> list[Part]:
        """The answer in parts. Raises `InvalidInput`, `StoreUnavailable`."""
        async with self._rendering:
            return await self._render(question, self._page(question, form))

    async def gzipped(self, question: MetricsQuestion, form: Form) -> bytes:
        """The answer as a gzip file. Raises `InvalidInput`, `StoreUnavailable`."""
        return await asyncio.to_thread(gzip_file, await self.parts(question, form))

    async def _render(self, question: MetricsQuestion, page: Page) -> list[Part]:
        answer = await self._board.metrics_queries.answer(question)
        families = own_families(await self._board.vitals.now(), self._version)
        return await asyncio.to_thread(page.parts, answer.rollups, answer.series, families)

    def _page(self, question: MetricsQuestion, form: Form) -> Page:
        if question != MetricsQuestion():
            return Page(form.encoder())
        if form in self._forgetting:
            self._forgetting.pop(form).cancel()
        loop = asyncio.get_running_loop()
        self._forgetting[form] = loop.call_later(self._kept_seconds, self._forget, form)
        return self._pages.setdefault(form, Page(form.encoder()))

    def _forget(self, form: Form) -> None:
        self._pages.pop(form, None)
        self._forgetting.pop(form, None)
