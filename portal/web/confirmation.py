"""What a person confirms with a passkey: this act, at this address, with these fields and files (SEC-23).

The same digest is made twice: of what the browser is about to send, when the question is asked, and of what
it did send. Files stand in it by the SHA-256 of their content.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from flask import current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from portal.permissions import Act
from portal.web.sessions import PASSKEY_FIELD, TOKEN_FIELD

_Pairs = Iterable[tuple[str, str]]
#: As ``passkey.js`` writes a file's content.
_FILE: Final = "sha256:"


def of_request(act: Act) -> str:
    """The digest of the form that this request brings."""
    pairs = list(request.form.items(multi=True))
    for name, file in request.files.items(multi=True):
        if file.filename:  # browsers send an empty part for an input left alone
            pairs.append((name, _FILE + sha256(file.stream.read()).hexdigest()))
            file.stream.seek(0)
    return _digest(act, request.path, request.query_string.decode("latin-1"), pairs)


def of_form(act: Act, address: str, fields: str) -> str:
    """The digest of a form that is to be sent to ``address``, a path of ours; ``fields`` as
    ``application/x-www-form-urlencoded``.
    """
    parts = urlsplit(address)
    return _digest(act, unquote(parts.path), parts.query, parse_qsl(fields, keep_blank_values=True))


def endpoint_of(address: str) -> str | None:
    """The endpoint that takes a form sent to ``address``, None for none of ours."""
    adapter = current_app.url_map.bind("localhost")
    try:
        endpoint, _ = adapter.match(unquote(urlsplit(address).path), "POST")
    except (HTTPException, RequestRedirect, ValueError):
        return None
    return str(endpoint)


def _digest(act: Act, path: str, query: str, pairs: _Pairs) -> str:
    # A browser turns line ends into CR LF on the way; values of one name keep their order.
    told = sorted(
        (
            (name, value.replace("\r\n", "\n").replace("\r", "\n"))
            for name, value in pairs
            if name not in (TOKEN_FIELD, PASSKEY_FIELD)
        ),
        key=lambda pair: pair[0],
    )
    return sha256(json.dumps([act.value, path, query, told]).encode()).hexdigest()
