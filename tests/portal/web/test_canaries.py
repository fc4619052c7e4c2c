"""No personal data beyond the masked name in any public answer, header, address or log (SEC-15, SEC-28).

Every personal field of the issued records holds a text that stands nowhere else; everything that anybody may
ask for is asked for, in both languages and shapes, and searched.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from portal.audit import service as audit
from portal.config import Settings
from portal.database import make_engine
from portal.extensions import KEY
from portal.registry import service as registry
from portal.vault import Vault
from portal.web.access import Access, rule_of
from tests.conftest import ACTOR, NOW
from tests.portal.limits.codes import unknown, wrong_digest
from tests.portal.lookup.test_views import paper_form, typed_form
from tests.portal.web.test_journal import lines, printed
from tests.portal.web.world import Issued, Stock, World, build, enter, filled
from verifier.locator import group, new_record_id

__all__ = ["printed"]

#: A text for each personal field of a record.
PERSONAL: dict[str, Any] = {
    "ma_hoc_sinh": "0109876501",
    "ho_va_ten": "Khuất Canary Mộttên",
    "dan_toc": "Canary-dântộc",
    "quoc_tich": "Canary-quốctịch",
    "doi_tuong": "Canary-đốitượng",
    "so_dinh_danh_ca_nhan": "001315987654",
    "noi_sinh": "Canary-nơisinh",
    "que_quan": "Canary-quêquán",
    "noi_o_hien_tai": "Canary-nơiở",
    "cha_ho_ten": "Canary-họtêncha",
    "cha_nghe_nghiep": "Canary-nghềcha",
    "me_ho_ten": "Canary-họtênmẹ",
    "me_nghe_nghiep": "Canary-nghềmẹ",
    "nguoi_giam_ho_ho_ten": "Canary-giámhộ",
    "nguoi_giam_ho_nghe_nghiep": "Canary-nghềgiámhộ",
    "nguoi_ky": "Canary-ngườiký",
    "ngay_sinh": "23/11/2015",
    "lop": "9CanaryLớp",
}
PRIMARY: dict[str, Any] = {"chieu_cao": "143.7", "can_nang": "31.9", "khen_thuong": "Canary-khenthưởng"}
SECONDARY: dict[str, Any] = {
    "so_so_dang_bo": "Canary-sổđăngbộ",
    "ket_qua_cuoc_thi": "Canary-cuộcthi",
    "nhan_xet_gvcn": "Canary-nhậnxétGVCN",
    "phe_duyet_hieu_truong": "Canary-phêduyệt",
}
#: Fields of a record that say nothing about a person, or only what the public answer may say.
OTHER = {
    *("level", "scheme", "grade", "year", "ma_truong", "truong", "ngay_ky_phat_hanh", "chuc_vu"),
    *("xa_phuong", "xa_phuong_ma", "tinh_thanh", "tinh_thanh_ma"),
}
#: Results whose words are the circular's own: other texts than these cannot stand there, nor be searched for.
VOCABULARY = re.compile("gioi_tinh|nghi_.*|ket_qua_.*|hoan_thanh.*|kq_.*|tong_so_.*|pham_chat.*|khen_thuong")
#: Marks and measures, as pages and programs spell them; looked for in answers alone, where no time taken is
#: written.
MARKS = {"8,7", '"8.7"', ">8.7", "143.7", "143,7", '"31.9"', "31,9"}


def texts(value: object) -> Iterator[str]:
    """Every text in a record's value."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def canary_record(session: Session, vault: Vault, level: str, grade: int, **changes: Any) -> Issued:
    """A record with a canary in every personal field, each comment and each mark among them."""
    own = PRIMARY if level == "TIEU_HOC" else SECONDARY
    plain = enter(session, vault, NOW, level=level, grade=grade)  # to see which fields there are
    rows: dict[str, Any] = {
        "qua_trinh_hoc_tap": [
            {"nam_hoc": "2024-2025", "lop": "A", "truong": "Canary-trườngcũ", "tinh": "Canary-tỉnhcũ"}
        ]
    }
    for name, row in plain.data.items():
        if isinstance(row, dict) and "ten" in row:
            marks = {k: "8.7" for k, v in row.items() if re.fullmatch(r"\d\.\d", v)}
            rows[name] = {**row, **marks, "nhan_xet": f"Canary-nhậnxét-{name}"}
        elif name == "chung_chi":
            rows[name] = [{"ten": "Canary-chứngchỉ", "loai": "Khá"}]
    covered = {*PERSONAL, *own, *rows, *OTHER}
    left = {name for name in plain.data if name not in covered and not VOCABULARY.fullmatch(name)}
    assert {name for name in left if any(len(text) > 2 for text in texts(plain.data[name]))} == set()
    return enter(session, vault, NOW, level=level, grade=grade, **{**PERSONAL, **own, **rows, **changes})


@dataclass(frozen=True, slots=True)
class Nest:
    """A portal whose records are canaries: a primary one with a newer version, a secondary one, a recalled
    one.
    """

    world: World
    records: tuple[Issued, ...]

    @property
    def canaries(self) -> set[str]:
        """What may stand in no answer and no line of the log."""
        own = {**PERSONAL, **PRIMARY, **SECONDARY}
        birth = {"2015-11-23", "23112015", "20151123", "23 tháng 11", "23 November"}
        words = {"Canary", "Khuất", "Mộttên", "CCCD:001080000009"}
        return {text for text in texts(own) if not re.fullmatch(r"[\d.]{4,5}", text)} | birth | words


@pytest.fixture(scope="module")
def canary_stock(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Stock:
    folder = tmp_path_factory.mktemp("canaries")
    shutil.copyfile(_sqlite_template, folder / "portal.sqlite3")
    settings = Settings.from_environment({"INSTANCE_DIR": str(folder)})
    vault = Vault(settings.key_encryption_keys, settings.index_key)
    engine = make_engine(settings.database_url)
    with Session(engine) as session, session.begin():
        first = canary_record(session, vault, "TIEU_HOC", 4)
        second = enter(session, vault, NOW, before=first, **{k: v for k, v in first.data.items()
                                                            if k not in ("level", "grade")})  # fmt: skip
        secondary = canary_record(session, vault, "THPT", 11)
        recalled = canary_record(session, vault, "THCS", 8)
        registry.recall(session, recalled.locator.record_id, "data_error", actor=ACTOR, now=NOW)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return Stock(folder, (second, first, second, recalled, secondary))


@pytest.fixture
def nest(tmp_path: Path, canary_stock: Stock) -> Nest:
    world = build(tmp_path / "i", canary_stock, LIMITS="wrong-try v4 1000/hour; miss v4 1000/hour")
    return Nest(world, canary_stock.issued)


DEMO = ("/demo-accounts", "/demo-accounts/key.js", "/hop-thu-demo")
#: No 500, and no 403 but for forms that are not ours.
SAID_TO_STRANGERS = (200, 301, 303, 401, 403, 404, 405, 413, 415, 422, 429)


def signed_out(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every route of the signed-in part, of signing in and of sharing, as somebody without any of it; what a
    code opens has canaries of its own (``tests/portal/receiving/test_canaries.py``).
    """
    for rule in world.app.url_map.iter_rules():
        declared = rule_of(world.app.view_functions[rule.endpoint])
        if declared is not None and declared.access in (Access.ROLE, Access.SIGN_IN, Access.SHARED):
            for method in sorted({"GET", "POST"} & (rule.methods or set())):
                yield method, filled(rule.rule), {}


def questions(records: tuple[Issued, ...]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Everything that anybody may ask without holding the file: method, path, form."""
    plain = (
        "/",
        "/robots.txt",
        "/manifest.webmanifest",
        "/ngoai-tuyen",
        "/sw.js",
        "/thiet-ke",
        "/thiet-ke?trang-thai=loi",
        "/static/app.js",
        "/lookup",
        "/compare",
        "/check",
        "/kiem-tra",
        "/kiem-tra-nhieu",
        "/hoc-ba-mau",
        "/hop-thu-demo",
        "/receipt",
        "/ket-qua",
        "/ket-qua?so=x",
        "/ket-qua/x",
        "/ket-qua/x/bao-cao.pdf",
        "/ket-qua/x/bao-cao.json",
        f"/ket-qua/{new_record_id(bytes(10))}",
        "/khong-co",
        "/v/x",
        "/V/x",
    )
    for path in (*plain, "/V/x", unknown(1), "/check/data", "/demo/x", "/check/sample/x", *DEMO):
        yield "GET", path, {}
    for issued in records:
        code = str(issued.locator)
        for path in (f"/V/{code}", f"/v/{code.lower()}", f"/V/{code[:-1]}", wrong_digest(issued.locator, 1)):
            yield "GET", path, {}
        yield "GET", f"/compare?code={code}", {}
        for short in (True, False):
            yield "POST", "/lookup", typed_form(issued, short=short)
            yield "POST", "/lookup", typed_form(issued, short=short, nam="1999")
            yield "POST", "/lookup", typed_form(issued, short=short, nam="", code=group(code[:15]))
        for path in ("/lookup", "/kiem-tra"):
            yield "POST", path, {"code": f"http://127.0.0.1:8000/V/{code}"}
        for text in (group(code[:17]), code[:25], f"https://khac.example/V/{code}", f"WIFI:S:{code};;"):
            yield "POST", "/kiem-tra", {"code": text}
        yield "POST", "/compare", paper_form(issued) | {"ho_va_ten": "Người Khác", "ngay_sinh": "01/01/2001"}
        yield "POST", "/compare", {"code": code}
        yield "POST", "/ket-qua", {"code": code}
    yield "POST", "/ket-qua", {"code": unknown(2).removeprefix("/V/")}
    yield "POST", "/ket-qua", {}
    for number in ("", "x", str(uuid.UUID(int=7))):
        yield "POST", "/receipt", {"number": number}
    yield "POST", "/kiem-tra-nhieu/bang.xlsx", {"number": "x"}
    for path in ("/kiem-tra", "/kiem-tra-nhieu", "/check", "/check/data"):
        yield "POST", path, {}
        for content in (b"%PDF-1.7 other", records[0].file + b"x", b"\x89PNG", b""):
            yield "POST", path, {"file": content}


def ask(world: World, method: str, path: str, form: dict[str, Any], headers: dict[str, str]) -> TestResponse:
    data = {k: (io.BytesIO(v), "x.pdf") if isinstance(v, bytes) else v for k, v in form.items()}
    if method == "GET":
        return world.client.get(path, headers=headers)
    return world.client.post(path, data=data, content_type="multipart/form-data", headers=headers)


def said(answer: TestResponse) -> str:
    """Body, headers and addresses, as a person would read them."""
    head = "\n".join(f"{name}: {unquote(text)}" for name, text in answer.headers.to_wsgi_list())
    text = answer.get_data(as_text=True)
    if answer.content_type.endswith("json"):
        text += json.dumps(json.loads(text), ensure_ascii=False)
    return f"{head}\n{text}"


def without_echo(text: str, form: Mapping[str, Any]) -> str:
    """A form that comes back shows what its sender typed: that is no disclosure."""
    kept = sorted((v for v in form.values() if isinstance(v, str) and v), key=len, reverse=True)
    for value in kept:
        text = re.sub(rf'value="{re.escape(value)}"', "", text)
    return text


def test_no_public_answer_holds_anything_of_a_person(nest: Nest, printed: io.StringIO) -> None:
    """SEC-15, SEC-28: all routes, as anybody, in both languages and shapes."""
    seen, masked = 0, 0
    routes: set[str | None] = set()
    nest.world.app.url_value_preprocessor(lambda endpoint, _: routes.add(endpoint))
    for method, path, form in (*questions(nest.records), *signed_out(nest.world)):
        for language in ("", "lang=en"):
            for accept in ("text/html", "application/json"):
                where = path + (("&" if "?" in path else "?") + language if language else "")
                answer = ask(nest.world, method, where, form, {"Accept": accept})
                nest.world.clock.time += timedelta(minutes=16)  # tries are forgotten
                assert answer.status_code in SAID_TO_STRANGERS, (method, path)
                text = without_echo(said(answer), form)
                found = {canary for canary in nest.canaries | MARKS if canary in text}
                assert found == set(), (method, where, accept)
                masked += "K*** C*** M***" in text.replace("\N{NO-BREAK SPACE}", " ")
                seen += 1
    assert routes - {None} == set(nest.world.app.view_functions)
    assert masked > 20
    check_log(nest, printed)
    assert len(lines(printed)) >= seen


def check_log(nest: Nest, printed: io.StringIO) -> None:
    """No canary, and no code in clear, in any line."""
    text = printed.getvalue().encode().decode("unicode_escape")
    assert {canary for canary in nest.canaries if canary in text} == set()
    for issued in nest.records:
        assert issued.locator.record_id not in text.upper().replace("-", "").replace(" ", "")


def test_the_trail_holds_nothing_of_a_person(nest: Nest) -> None:
    """SEC-28: the table of the audit trail and its export, after issues, a correction and a recall."""
    with Session(nest.world.app.extensions[KEY].engine) as session:
        rows = session.connection().exec_driver_sql("SELECT * FROM audit_entries").all()
        copy = b"".join(audit.lines(session)).decode("ascii")
    assert len(rows) == len(copy.splitlines())
    assert {json.loads(line)["action"] for line in copy.splitlines()} == {"issue", "correct", "recall"}
    for sink in (copy, " ".join(str(value) for row in rows for value in row)):
        assert {canary for canary in nest.canaries if canary in sink} == set()
        assert [i.locator.record_id for i in nest.records if i.locator.record_id in sink] == []


def test_what_is_sent_stays_out_of_the_log(nest: Nest, printed: io.StringIO) -> None:
    """SEC-28: right names and births in forms, in names of files, queries, paths and headers of those who do
    it wrong; the file's holder asking for its data.
    """
    name, birth = PERSONAL["ho_va_ten"], PERSONAL["ngay_sinh"]
    for issued in nest.records:
        ask(nest.world, "POST", "/lookup", typed_form(issued), {})
        ask(nest.world, "POST", "/compare", paper_form(issued), {"User-Agent": "Canary"})
        for path in ("/kiem-tra", "/kiem-tra-nhieu", "/check", "/check/data"):
            data = {"file": (io.BytesIO(issued.file), f"{name}.pdf")}
            nest.world.client.post(path, data=data, headers={"Referer": f"https://x/{issued.locator}"})
        nest.world.client.get("/lookup", query_string={"code": str(issued.locator), "ngay_sinh": birth})
        nest.world.client.get(f"/{issued.locator}/{name}")
        nest.world.client.get(f"/V/{issued.locator}/{name}")
    check_log(nest, printed)
    assert len(lines(printed)) >= 8 * len(nest.records)


def test_a_fault_while_a_record_is_open_tells_nothing(
    nest: Nest, printed: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-28: whatever breaks with personal data in its hands, page and log hold none of it."""

    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"{PERSONAL['ho_va_ten']} {PERSONAL['so_dinh_danh_ca_nhan']}")

    broken_parts = ("look_up_locator", "open_record")
    for target in (f"portal.lookup.service.registry.{part}" for part in broken_parts):
        with monkeypatch.context() as broken:
            broken.setattr(target, fail)
            for form, path in (
                (typed_form(nest.records[0]), "/lookup"),
                (paper_form(nest.records[0]), "/compare"),
            ):
                answer = ask(nest.world, "POST", path, form, {"Accept": "application/json"})
                assert {c for c in nest.canaries if c in said(answer)} == set()
            nest.world.client.get(nest.records[0].path)
    assert any(line["level"] == "error" for line in lines(printed))
    check_log(nest, printed)


def test_the_canaries_are_really_in_the_records(nest: Nest) -> None:
    """A search for what is not there would find nothing whatever the portal did."""
    for issued in nest.records[:1] + nest.records[3:]:
        stored = "".join(texts(dict(issued.data)))
        assert {"Canary-họtênmẹ", "001315987654", "Khuất Canary Mộttên", "23/11/2015"} <= {
            part for part in nest.canaries if part in stored
        }
    answer = ask(nest.world, "POST", "/compare", paper_form(nest.records[0]), {"Accept": "application/json"})
    assert json.loads(answer.data)["evidence"] == "paper_compared"
