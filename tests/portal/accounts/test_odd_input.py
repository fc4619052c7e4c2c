"""Whatever stands in a field, an address or a query of the signed-in part is no fault of ours: never a 500.

On PostgreSQL, which takes less than SQLite does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from portal import migrations
from portal.accounts.doorkeeper import AccountsDoorkeeper
from portal.config import Settings
from portal.database import make_engine
from portal.factory import create_app
from portal.permissions import PERMITTED, Role
from portal.web.access import Access, rule_of
from portal.web.pages import TEMPLATES
from portal.web.sessions import TOKEN_FIELD
from tests.conftest import FrozenClock
from tests.portal.accounts.world import People, settle
from tests.servers import PostgresCluster

ODD = ("\0", "a\0b", "9" * 23, "-1", "\ufffd", "é" * 300, "A" * 5000, "../..", "'\"<b>", "٣٤")
#: Every field that a page of ours sends.
NAMES = {
    name
    for template in TEMPLATES.rglob("*.html")
    for name in re.findall(r'(?:name=|field\()"([a-z_]+)"', template.read_text("utf-8"))
} - {TOKEN_FIELD} | {
    "code",
    "email",
    "contact",
    "birth",
    "before",
    "upload",
    "class",
    "field",
    "state",
    "iss",
}
ENDS = {"/sign-out", "/account/sign-out-everywhere"}


@pytest.fixture
def people(postgres: PostgresCluster, tmp_path: Path) -> Iterator[People]:
    name = postgres.create()
    engine = make_engine(postgres.url(name))
    migrations.upgrade(engine)
    engine.dispose()
    environment = {
        "INSTANCE_DIR": str(tmp_path / "instance"),
        "DATABASE_URL": postgres.url(name),
        "LIMITS": "wrong-sign-in v4 100000/minute; form v4 100000/minute",
    }
    app = create_app(Settings.from_environment(environment), clock=FrozenClock())
    yield settle(app)
    app.extensions["portal"].engine.dispose()
    postgres.drop(name)


def test_odd_input_is_no_fault(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    # What stands behind a passkey is reached as well.
    monkeypatch.setattr(AccountsDoorkeeper, "confirm", lambda *_: None)
    assert len(NAMES) > 40
    faults, seen = [], Counter[int]()
    for rule in people.app.url_map.iter_rules():
        declared = rule_of(people.app.view_functions[rule.endpoint])
        if (
            declared is None
            or declared.access not in (Access.ROLE, Access.SIGN_IN, Access.SHARED)
            or rule.rule in ENDS
        ):
            continue
        role = next((role for role in Role if declared.act in PERMITTED[role]), Role.CLERK)
        visitor = people.sign_in(role)
        for odd in ODD:
            path = re.sub("<int:[^>]*>", "9" * 23, rule.rule.replace("<uuid:", "<"))
            path = re.sub("<[^>]*>", quote(odd, safe="") if "uuid" not in rule.rule else "0" * 32, path)
            path = re.sub("0{32}", "00000000-0000-0000-0000-000000000001", path)
            given = dict.fromkeys(NAMES, odd)
            for method in sorted({"GET", "POST"} & (rule.methods or set())):
                if method == "GET":
                    answer = visitor.get(path, query_string=given)
                else:
                    answer = visitor.post(path, given)
                seen[answer.status_code] += 1
                if answer.status_code >= 500:
                    faults.append((method, rule.rule, odd[:9]))
    assert faults == []
    assert seen[422] > 100  # forms were read, not turned away at the door
