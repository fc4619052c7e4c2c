"""What a family and a recipient type or are told once stands nowhere in clear afterwards (SEC-20, SEC-28)."""

from __future__ import annotations

import io
import json
import re
import uuid
from urllib.parse import unquote

from flask import Response
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.consent import service
from portal.consent.models import Evidence
from portal.consent.service import By
from portal.consent.texts import Shown
from portal.messages import service as messages
from portal.messages.service import Sender
from portal.permissions import Role
from tests.portal.receiving.scene import Scene, birth, ok
from tests.portal.receiving.test_sharing import seal
from tests.portal.web.test_journal import printed

__all__ = ["printed"]

REFERENCE = "HS-Canary-271828"
DECLARED = "Phòng Canary Tuyểnsinh"
WRONG = {"ngay": "17", "thang": "11", "nam": "1987"}


def spellings(code: str) -> set[str]:
    """A share code as people and programs may write it, its body alone too, and as bytes in a dump."""
    plain = code.replace("-", "")
    texts = {code, plain, code.replace("-", " "), plain[1:], code[2:]}
    texts |= {text.lower() for text in texts}
    return texts | {text.encode().hex().upper() for text in texts}


def dumped(scene: Scene) -> str:
    """The whole database as SQL: every row of every table, bytes as hexadecimal digits."""
    connection = scene.bundle.engine.raw_connection()
    try:
        return "\n".join(connection.driver_connection.iterdump())  # type: ignore[union-attr]
    finally:
        connection.close()


def shared_and_opened(scene: Scene) -> tuple[uuid.UUID, str]:
    """A code made, opened with a wrong date and a right one, and taken over, all at pages."""
    consent, code = scene.code()
    client = scene.browser()
    ok(scene.open(client, code, declared=DECLARED, **WRONG), 422)
    page = ok(scene.open(client, code, declared=DECLARED))
    again = scene.send(client, "/share/opened", {"opening": seal(page), "as": "json", "declared": DECLARED})
    assert again.status_code == 200
    return consent, code


def test_a_share_code_is_nowhere_in_the_database(scene: Scene) -> None:
    """SEC-20: neither in a column nor in what the database keeps on disk, under any spelling."""
    consent, code = shared_and_opened(scene)
    dump = dumped(scene)
    assert consent.hex in dump.replace("-", "")  # what is there is found
    assert {text for text in spellings(code) if text in dump} == set()
    name = scene.bundle.engine.url.database
    assert name is not None
    for suffix in ("", "-wal"):
        with open(name + suffix, "rb") as file:
            kept = file.read()
        assert {text for text in spellings(code) if text.encode() in kept} == set()


def test_canaries_of_sharing_stay_out_of_every_sink(scene: Scene, printed: io.StringIO) -> None:
    """SEC-28: code, birth dates, text of the consent, case reference and declared name are in no line of the
    log or of the trail, no message and no address; what is sealed stands in the database in no clear.
    """
    addresses: list[str] = []

    @scene.world.app.after_request
    def keep(response: Response) -> Response:
        addresses.append(unquote(response.headers.get("Location", "")))
        if response.mimetype == "text/html":
            addresses.extend(
                map(unquote, re.findall('(?:href|action|src)="([^"]*)"', response.get_data(as_text=True)))
            )
        return response

    visitor = scene.people.sign_in(Role.RECEIVING_OFFICER, away=True)
    path = scene.given(visitor, reference=REFERENCE)
    asked = uuid.UUID(path.rpartition("/")[2])
    ok(visitor.post(path))
    assert REFERENCE in ok(visitor.get(path))  # whoever wrote it reads it
    _, code = shared_and_opened(scene)
    by_law = {"duty": "receiving_school", "preset": "result", "reference": REFERENCE}
    ok(visitor.confirm("/statutory", {**by_law, "code": str(scene.issued.locator)}))
    looks = ok(scene.mother.get(f"/family/{scene.link}/looks"))
    assert REFERENCE in looks
    assert DECLARED in looks

    right = birth(scene.issued)
    dates = {str(scene.issued.data["ngay_sinh"]), "17/11/1987", "1987-11-17"}
    dates.add(f"{right['nam']}-{int(right['thang']):02}-{int(right['ngay']):02}")
    texts = {REFERENCE, DECLARED, "Canary", *dates, *spellings(code)}
    bundle, now = scene.bundle, scene.world.clock.now()
    with Session(bundle.engine) as session:
        trail = b"".join(audit.lines(session)).decode("ascii")
        sender = Sender.of(bundle.settings)
        outbox = messages.outbox(session, bundle.vault, sender=sender, limit=500)
        sent = [each.text for each in outbox if each.text is not None]
        by = By(Evidence.SIGN_IN, scene.mother.person.account)
        shown = service.question(session, bundle.vault, asked, by=by, language="vi", now=now)
    assert isinstance(shown, Shown)
    assert len(sent) > 3
    sentences = {line for line in re.split(r"[.\n]", shown.text) if len(line) > 60}
    assert sentences
    log = printed.getvalue().encode().decode("unicode_escape")
    assert "/share" in log
    told = "\n".join(json.dumps(json.loads(line), ensure_ascii=False) for line in trail.splitlines())
    assert path in addresses
    for sink in (log, told, "\n".join(addresses), *(str(each) for each in sent)):
        assert {text for text in texts | sentences if text in sink} == set()
    dump = dumped(scene)
    assert {text for text in (REFERENCE, DECLARED, *spellings(code)) if text in dump} == set()
