"""SMS and Zalo through a provider, by HTTP: the contract is docs/messages.md."""

from __future__ import annotations

import json
from typing import Final

from portal.fetching import FetchFault, Question, fetch
from portal.ports import OutgoingMessage, PermanentSendFault, TemporarySendFault

SECONDS: Final = 20.0  # for one answer, in all; shorter than the lease of ``portal.messages.service``
_LARGEST: Final = 64 * 1024  # bytes; the answer's body is not read for anything
_TAKEN: Final = frozenset({200, 201, 202, 204})
_FOR_GOOD: Final = frozenset(
    {400, 422}
)  # this message; any other status is about the installation or the hour


class GatewayMailer:
    """One provider at one address."""

    def __init__(self, url: str, token: str, *, seconds: float = SECONDS) -> None:
        self._url = url
        self._token = token
        self._seconds = seconds

    def send(self, message: OutgoingMessage) -> None:
        """Raises :class:`portal.ports.SendFault`."""
        body = {"id": str(message.id), "to": message.to, "text": message.text, "language": message.language}
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": str(message.id)}
        question = Question(
            "application/json; charset=utf-8",
            json.dumps(body, ensure_ascii=False).encode("utf-8"),
            headers,
            _TAKEN,
        )
        try:
            fetch(self._url, most_bytes=_LARGEST, seconds=self._seconds, question=question)
        except FetchFault as fault:
            if fault.status in _FOR_GOOD:
                raise PermanentSendFault(f"http_{fault.status}") from None
            code = fault.code if fault.status is None else f"http_{fault.status}"
            raise TemporarySendFault(code) from None
