"""The slow line that pages are promised for, before a server here: 400 kbit/s, 400 ms and back (ADR 0034)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Final

ROUND_TRIP: Final = 0.4  # seconds
RATE: Final = 400_000 / 8  # bytes a second towards the browser, shared by its connections
_PIECE: Final = 1460  # bytes: what a packet holds, so that connections share the line


class _Line:
    """Everything that goes over it at one time."""

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.loop = asyncio.new_event_loop()
        self.free_at = 0.0  # when the last byte on its way will have gone
        self.connections = 0

    async def joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a round trip to open it, and where none stands one before that, for the name."""
        stands_at = self.loop.time() + ROUND_TRIP * (1 if self.connections else 2)
        self.connections += 1
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.behind)
            await asyncio.gather(
                self._carry(reader, server_writer, stands_at, rate=None),
                self._carry(server_reader, writer, stands_at, rate=RATE),
            )
        finally:
            self.connections -= 1

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        stands_at: float,
        *,
        rate: float | None,
    ) -> None:
        """What is read is written half a round trip later, in its order, as fast as the line takes it."""
        due = stands_at
        with suppress(ConnectionError):
            while piece := await reader.read(_PIECE):
                due = max(due, self.loop.time())
                if rate is not None:
                    due = self.free_at = max(due, self.free_at) + len(piece) / rate
                self.loop.call_at(due + ROUND_TRIP / 2, writer.write, piece)
        self.loop.call_at(max(due, self.loop.time()) + ROUND_TRIP / 2, writer.close)


@contextmanager
def line(port: int, behind: int) -> Iterator[None]:
    """Whoever connects to ``port`` of this machine reaches the server at ``behind`` over the slow line."""
    slow = _Line(behind)
    server = slow.loop.run_until_complete(asyncio.start_server(slow.joined, "127.0.0.1", port))
    thread = Thread(target=slow.loop.run_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        slow.loop.call_soon_threadsafe(server.close)
        slow.loop.call_soon_threadsafe(slow.loop.stop)
        thread.join()
