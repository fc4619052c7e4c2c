"""Several files in one sending: which documents a pile holds, what a ZIP may do to us, what is answered."""

from __future__ import annotations

import html
import io
import json
import re
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from portal.config import Settings
from portal.limits.work import WAIT_SECONDS
from portal.registry import service as registry
from portal.results.keeping import keep
from portal.uploads import pile_views
from portal.uploads.piles import Bounds, Document, TooMuch, Trouble, Unreadable, gather, shown
from tests.conftest import ACTOR
from tests.demo_instance import ROOT
from tests.portal.web.world import Stock, World, build
from verifier.locator import group, new_record_id

MB = 1 << 20
BOUNDS = Bounds(file_bytes=MB, total_bytes=5 * MB)
JSON = {"Accept": "application/json"}


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as made:
        for name, content in members:
            made.writestr(name, content)
    return out.getvalue()


def pile(*files: tuple[str, bytes]) -> tuple[Document, ...]:
    return gather([(name, io.BytesIO(content)) for name, content in files], BOUNDS)


def trouble(document: Document) -> Trouble | None:
    try:
        document.read()
    except Unreadable as found:
        return found.trouble
    return None


def with_flag(data: bytes, bit: int) -> bytes:
    """Every member's flags with one bit more, in both places where they stand."""
    changed = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(signature)
        while at >= 0:
            (flags,) = struct.unpack_from("<H", changed, at + offset)
            struct.pack_into("<H", changed, at + offset, flags | bit)
            at = changed.find(signature, at + 4)
    return bytes(changed)


# ---------------------------------------------------------------------------------------- what a pile holds


def test_files_and_members_come_in_their_order() -> None:
    inside = archive(("lớp 5/a.pdf", b"A"), ("lớp 5/", b""), ("b.pdf", b"B"))
    found = pile(("một.pdf", b"1"), ("lop.ZIP", inside), ("hai.jpg", b"2"))
    assert [(d.name, d.read()) for d in found] == [
        ("một.pdf", b"1"),
        ("lop.ZIP › lớp 5/a.pdf", b"A"),
        ("lop.ZIP › b.pdf", b"B"),
        ("hai.jpg", b"2"),
    ]


def test_the_same_name_twice_is_two_documents() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        inside = archive(("a.pdf", b"A"), ("a.pdf", b"B"))
    found = pile(("x.zip", inside), ("a.pdf", b"C"), ("a.pdf", b"C"))
    assert [d.name for d in found] == ["x.zip › a.pdf", "x.zip › a.pdf", "a.pdf", "a.pdf"]
    assert [d.read() for d in found] == [b"A", b"B", b"C", b"C"]


def test_what_systems_put_into_archives_by_themselves_is_no_document() -> None:
    inside = archive(
        ("a.pdf", b"A"),
        ("__MACOSX/._a.pdf", b"x"),
        ("lop/.DS_Store", b"x"),
        ("lop/._b.pdf", b"x"),
        ("Thumbs.db", b"x"),
        ("lop/__macosx/sâu/c.pdf", b"x"),
        ("__MACOSX.pdf", b"B"),
    )
    assert [d.name for d in pile(("x.zip", inside))] == ["x.zip › a.pdf", "x.zip › __MACOSX.pdf"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../../etc/passwd", "../../etc/passwd"),
        ("C:\\Windows\\a.pdf", "C:\\Windows\\a.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),  # would be read as "aexe.pdf"
        ("a\nb\x1b[31m.pdf", "ab[31m.pdf"),
        ("ho\u031b\u0323c.pdf", "h\u1ee3c.pdf"),
        ("", "?"),
        ("\u200b", "?"),
    ],
)
def test_a_name_is_for_the_eye_alone(name: str, says: str) -> None:
    assert shown(name) == says


def test_a_long_name_keeps_its_end() -> None:
    assert len(shown("x" * 5000 + " cuối.pdf")) == 160
    assert shown("x" * 5000 + " cuối.pdf").endswith("x cuối.pdf")


def test_names_without_the_mark_of_utf8_are_tried_as_utf8_then_as_cp437() -> None:
    utf8, old = "học bạ.pdf".encode(), "r\u00e9sum\u00e9.pdf".encode("cp437")
    for raw, says in ((utf8, "học bạ.pdf"), (old, "résumé.pdf")):
        placeholder = b"n" * len(raw)
        data = archive((placeholder.decode(), b"A")).replace(placeholder, raw)
        (document,) = pile(("x.zip", data))
        assert (document.name, document.read()) == (f"x.zip › {says}", b"A")


# ------------------------------------------------------------------------------------- what cannot be read


def test_members_that_cannot_be_read_are_said_one_by_one() -> None:
    plain = archive(("a.pdf", b"A" * 500))
    (locked,) = pile(("x.zip", with_flag(plain, 0x1)))
    assert trouble(locked) is Trouble.ENCRYPTED
    (strong,) = pile(("x.zip", with_flag(plain, 0x40)))
    assert trouble(strong) is Trouble.DAMAGED
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        (other,) = pile(("x.zip", archive(("a.pdf", b"A"), method=method)))
        assert trouble(other) is Trouble.UNKNOWN_METHOD
    names = ("in.zip", "in.7z", "sub/in.RAR", "in.tar.gz", "ok.pdf")
    nested = pile(("x.zip", archive(*((name, plain) for name in names))))
    assert [trouble(d) for d in nested] == [*[Trouble.NESTED] * 4, None]
    large = pile(("x.zip", archive(("a.pdf", bytes(MB + 1)), ("b.pdf", bytes(MB)))), ("c.pdf", bytes(MB + 1)))
    assert [trouble(d) for d in large] == [Trouble.TOO_LARGE, None, Trouble.TOO_LARGE]


def test_one_damaged_member_leaves_the_others() -> None:
    data = archive(("a.pdf", b"first" * 9), ("b.pdf", b"second"), method=zipfile.ZIP_STORED)
    broken = data.replace(b"first" * 9, b"FIRST" * 9)
    found = pile(("x.zip", broken))
    assert [trouble(d) for d in found] == [Trouble.DAMAGED, None]
    assert found[1].read() == b"second"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"%PDF-1.7",
        archive(("a.pdf", b"A" * 999))[:-30],
        archive(("a.pdf", b"A"))[40:],
        b"PK\x05\x06",
    ],
)
def test_what_is_no_zip_says_so_and_stops_nobody(content: bytes) -> None:
    first, second = pile(("x.zip", content), ("a.pdf", b"A"))
    assert (first.name, trouble(first)) == ("x.zip", Trouble.NOT_A_ZIP)
    assert second.read() == b"A"


def test_every_cut_of_an_archive_is_read_or_told() -> None:
    whole = archive(("a.pdf", b"A" * 300), ("b.pdf", bytes(range(256))))
    for end in range(len(whole)):
        for document in pile(("x.zip", whole[:end])):
            assert trouble(document) in (Trouble.NOT_A_ZIP, Trouble.DAMAGED)


def test_every_changed_byte_of_an_archive_is_read_or_told() -> None:
    """No exception but the two that are answers; what is read is what was packed, or told."""
    whole = archive(("a.pdf", b"A" * 300), ("b.pdf", bytes(range(256))))
    read = 0
    for at in range(len(whole)):
        for value in (0x00, 0xFF, whole[at] ^ 0x01):
            changed = whole[:at] + bytes([value]) + whole[at + 1 :]
            try:
                found = pile(("x.zip", changed))
            except TooMuch:
                continue
            for document in found:
                if trouble(document) is None:
                    assert document.read() in (b"A" * 300, bytes(range(256)), b"")
                    read += 1
    assert read > len(whole)


def test_an_empty_archive_is_said() -> None:
    for content in (archive(), archive(("lop/", b"")), archive((".DS_Store", b"x"))):
        (document,) = pile(("x.zip", content))
        assert (document.name, trouble(document)) == ("x.zip", Trouble.NOTHING_INSIDE)


# ---------------------------------------------------------------------------------------------- too much


def refusal(*files: tuple[str, bytes]) -> list[str]:
    with pytest.raises(TooMuch) as refused:
        pile(*files)
    return [reason.message % reason.values for reason in refused.value.reasons]


def test_too_many_files_are_counted() -> None:
    assert len(pile(*((f"{n}.pdf", b"") for n in range(50)))) == 50
    assert refusal(*((f"{n}.pdf", b"") for n in range(51))) == ["Có 51 tệp; mỗi lần chỉ kiểm tra 50 tệp."]
    forty = archive(*((f"{n}.pdf", b"x") for n in range(40)))
    assert refusal(("a.zip", forty), ("b.zip", forty), ("c.pdf", b"")) == [
        "Có 81 tệp, tính cả trong ZIP (a.zip: 40, b.zip: 40); mỗi lần chỉ kiểm tra 50 tệp."
    ]


def test_every_mistake_is_told_at_once() -> None:
    many = archive(*((f"{n}/", b"") for n in range(201)))
    full = archive(*((f"{n}.pdf", bytes(MB)) for n in range(6)))
    one = archive(("a.pdf", b"A"))
    files = [("nhiều.zip", many), ("đầy.zip", full), *((f"{n}.zip", one) for n in range(4))]
    assert refusal(*files, *((f"{n}.pdf", b"") for n in range(60))) == [
        "nhiều.zip chứa quá 200 mục; hãy chia thành nhiều tệp ZIP nhỏ hơn.",
        "Có 6 tệp ZIP; mỗi lần chỉ nhận 5 tệp ZIP.",
        "Có 69 tệp, tính cả trong ZIP (đầy.zip: 6, 0.zip: 1, 1.zip: 1, 2.zip: 1); "
        "mỗi lần chỉ kiểm tra 50 tệp.",
        "Các tệp trong ZIP mở ra lớn hơn 5 MB.",
    ]


def test_a_directory_is_not_read_beyond_its_bound() -> None:
    """Its length is the archive's own word, and the library reads it whole."""
    data = archive(*((f"{n:05}", b"") for n in range(20_000)))
    assert refusal(("x.zip", data)) == ["x.zip chứa quá 200 mục; hãy chia thành nhiều tệp ZIP nhỏ hơn."]


#: What a bomb costs: everything is read, and the most memory that was in use is printed (KiB).
_MEASURE = """
import io, resource, sys
from portal.uploads.piles import Bounds, TooMuch, Unreadable, gather
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
said = []
with open(sys.argv[1], "rb") as stream:
    try:
        documents = gather([("x.zip", stream)], Bounds(10 << 20, 100 << 20))
    except TooMuch as refused:
        documents = []
        said += [reason.message for reason in refused.reasons]
    for document in documents:
        try:
            said.append(len(document.read()))
        except Unreadable as found:
            said.append(found.trouble.value)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, said[:3], sep="\\t")
"""


def lying_bomb(megabytes: int, claims: int) -> bytes:
    """One member that inflates to far more than its directory entry and its header say."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(deflate.compress(bytes(MB)) for _ in range(megabytes)) + deflate.flush()
    name, crc = b"a.pdf", zlib.crc32(bytes(claims))
    sizes = struct.pack("<LLL", crc, len(packed), claims)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes
    local += struct.pack("<HH", len(name), 0) + name + packed
    entry = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 33) + sizes
    entry += struct.pack("<HHHHHLL", len(name), 0, 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(entry), len(local), 0)
    return local + entry + end


def overlapping_bomb() -> bytes:
    """Fifty entries that all name one and the same megabytes."""
    data = archive(("a.pdf", bytes(9 * MB)))
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    directory = data[start:end] * 50
    tail = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 50, 50, len(directory), start, 0)
    return data[:start] + directory + tail


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: archive(("a.pdf", bytes(400 * MB))), "['too_large']"),
        (lambda: lying_bomb(400, 9 * MB), "[9437184]"),
        (lambda: lying_bomb(400, 0xFFFFFFF0), "['too_large']"),
        (overlapping_bomb, "['Các tệp trong ZIP mở ra lớn hơn %(limit)s MB.']"),
        (
            lambda: archive(*((f"{n:07}", b"") for n in range(60_000))),
            "['%(name)s chứa quá %(most)s mục; hãy chia thành nhiều tệp ZIP nhỏ hơn.']",
        ),
        (
            lambda: archive(("a.pdf", bytes(200 * MB)), method=zipfile.ZIP_LZMA),
            "['unknown_method']",
        ),
    ],
    ids=["large", "lying", "lying-most", "overlapping", "directory", "lzma"],
)
def test_a_bomb_is_refused_in_bounded_memory(tmp_path: Path, make: Callable[[], bytes], says: str) -> None:
    """Less than three times one upload, whatever the archive would unfold to."""
    bomb = tmp_path / "bomb.zip"
    bomb.write_bytes(make())
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _MEASURE, str(bomb)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    grown, said = done.stdout.strip().split("\t")
    assert said == says
    assert int(grown) < 30 * 1024


#: The names of an archive, looked at with ten seconds of the processor.
_LOOK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
from portal.uploads.piles import Bounds, gather, shown
with open(sys.argv[1], "rb") as stream:
    found = gather([("x.zip", stream)], Bounds(10 << 20, 100 << 20))
print(len(found), len(shown("o" + "\\u0301\\u0323" * 150_000)))
"""


@pytest.mark.parametrize(
    "name",
    ["/__MACOSX/" * 6553 + "\n", "o" + "\u0301\u0323" * 16_380],
    ids=["folders", "marks"],
)
def test_names_that_are_made_to_keep_us_busy_do_not(tmp_path: Path, name: str) -> None:
    """Whatever an archive, or a form, gives for names: a web process looks at them, and others wait."""
    crafted = tmp_path / "names.zip"
    crafted.write_bytes(archive(*((f"{name}{n:02}", b"") for n in range(15))))
    looked = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _LOOK, str(crafted)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (looked.returncode, looked.stdout.split()) == (0, ["1" if "MACOSX" in name else "15", "160"])


# ------------------------------------------------------------------------------------------------ the page


def send(
    world: World, *files: tuple[str, bytes], skip: int | None = None, program: bool = False
) -> TestResponse:
    form: list[tuple[str, Any]] = [("file", (io.BytesIO(content), name)) for name, content in files]
    if skip is not None:
        form.append(("skip", str(skip)))
    return world.client.post(
        "/kiem-tra-nhieu",
        data=MultiDict(form),
        content_type="multipart/form-data",
        headers=JSON if program else {},
    )


def body(answer: TestResponse) -> Any:
    return json.loads(answer.data)


def table(answer: TestResponse) -> list[list[str]]:
    """The texts of the table's cells, row by row."""
    body = re.search(r"<tbody data-rows>(.*?)</tbody>", answer.get_data(as_text=True), re.DOTALL)
    assert body is not None
    return [
        [
            " ".join(html.unescape(re.sub("<[^>]*>", " ", cell)).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    ]


def test_a_pile_is_answered_as_a_table(world: World) -> None:
    inside = archive(("lớp/mới.pdf", world.second.file), ("hỏng.zip", b"PK"))
    answer = send(
        world, ("một.pdf", world.primary.file), ("<b>cũ.pdf", world.first.file), ("lop.zip", inside)
    )
    assert answer.status_code == 200
    assert "<b>cũ" not in answer.get_data(as_text=True)
    rows = table(answer)
    assert [row[0] for row in rows] == ["một.pdf", "<b>cũ.pdf", "lop.zip › lớp/mới.pdf", "lop.zip › hỏng.zip"]
    assert [row[1].partition(":")[0] for row in rows] == ["Khớp", "Lưu ý", "Khớp", "Chưa xong"]
    assert rows[2][4] == "2"
    assert "H*** N***" in rows[2][3]
    assert "Chưa kiểm tra được" in rows[3][1]
    assert rows[3][2:] == [""] * 5


def test_each_file_is_an_upload_of_its_own(tmp_path: Path, issued_stock: Stock) -> None:
    """Limits: unknown files are charged one by one; what no longer fits is told, known files still pass."""
    world = build(tmp_path / "i", issued_stock, LIMITS="upload v4 2/10 minutes")
    files = [(f"{n}.pdf", b"%PDF-1.7 unknown " + bytes([n])) for n in range(4)]
    rows = table(send(world, *files, ("thật.pdf", world.primary.file)))
    unchecked = ["Chưa kiểm tra được" in row[1] for row in rows]
    assert unchecked == [False, False, True, True, False]
    assert "Hãy gửi lại tệp này sau 10 phút" in rows[2][1]
    alone = world.client.post("/check", data={"file": (io.BytesIO(b"%PDF-1.7 other"), "x.pdf")}, headers=JSON)
    assert (alone.status_code, body(alone)["code"]) == (429, "too_many_uploads")


def test_fifty_files_of_a_desk_pass_under_the_limits_as_shipped(world: World) -> None:
    rows = table(send(world, *((f"{n}.pdf", b"%PDF-1.7 unknown " + bytes([n])) for n in range(50))))
    assert len(rows) == 50
    assert not any("Chưa kiểm tra được" in row[1] for row in rows)


def test_a_program_asks_on_after_a_limit(tmp_path: Path, issued_stock: Stock) -> None:
    world = build(tmp_path / "i", issued_stock, LIMITS="upload v4 2/10 minutes")
    inside = archive(
        ("a.pdf", b"%PDF-1.7 one"),
        ("b.pdf", b"%PDF-1.7 two"),
        ("c.pdf", b"%PDF-1.7 three"),
        ("d.pdf", world.primary.file),
    )
    first = body(send(world, ("x.zip", inside), program=True))
    assert (first["documents"], [row["name"] for row in first["rows"]]) == (
        4,
        ["x.zip › a.pdf", "x.zip › b.pdf"],
    )
    assert 0 < first["retry_after"] <= 600
    again = send(world, ("x.zip", inside), skip=2, program=True)
    assert (again.status_code, body(again)["code"]) == (429, "too_many_uploads")
    assert int(again.headers["Retry-After"]) > 0
    rest = body(send(world, ("x.zip", inside), skip=3, program=True))
    assert [(row["name"], row["verdict"]) for row in rest["rows"]] == [("x.zip › d.pdf", "GENUINE_CURRENT")]
    assert rest["retry_after"] is None


@pytest.mark.parametrize("program", [True, False])
def test_no_connection_is_held_between_two_answers(
    world: World, monkeypatch: pytest.MonkeyPatch, *, program: bool
) -> None:
    """An answer is kept by a connection of its own: a pile that held another one would wait for itself."""
    pool: Any = world.app.extensions["portal"].engine.pool
    held: list[int] = []

    def keeping(*arguments: Any, **named: Any) -> str | None:
        held.append(pool.checkedout())
        return keep(*arguments, **named)

    monkeypatch.setattr(pile_views, "keep", keeping)
    send(world, ("a.pdf", world.primary.file), ("b.pdf", world.first.file), program=program)
    assert held == [0, 0]


def test_what_there_was_no_time_for_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pile_views, "SECONDS", -1.0)
    rows = table(send(world, ("a.pdf", world.primary.file), ("b.pdf", world.first.file)))
    assert [row[0] for row in rows] == ["a.pdf", "b.pdf"]
    assert all("Chưa tới lượt thì hết thời gian" in row[1] for row in rows)
    found = body(send(world, ("a.pdf", world.primary.file), program=True))
    assert found == {"documents": 1, "rows": [], "retry_after": 1}


def test_a_place_that_never_comes_free_is_told(
    tmp_path: Path, issued_stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else of this network holds all its places: nothing is lost, nothing passes."""
    world = build(tmp_path / "i", issued_stock, CHECKS_PER_CLIENT="1")
    monkeypatch.setattr(pile_views, "SECONDS", 1.0)  # less than the wait that is asked for
    room = world.app.extensions["portal"].workroom
    with room.place("127.0.0.1"):
        (row,) = table(send(world, ("a.pdf", world.primary.file)))
    assert "Cổng đang bận" in row[1]
    assert room.idle
    ((_, word, *_),) = table(send(world, ("a.pdf", world.primary.file)))
    assert word.startswith("Khớp")


def test_a_busy_portal_is_waited_for(
    tmp_path: Path, issued_stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is time, the page waits as long as it is told, and goes on."""
    world = build(tmp_path / "i", issued_stock, CHECKS_PER_CLIENT="1", CHECKS_WAIT_SECONDS="1")
    with ExitStack() as held:
        held.enter_context(world.app.extensions["portal"].workroom.place("127.0.0.1"))
        waited: list[float] = []

        def wait(seconds: float) -> None:
            waited.append(seconds)
            held.close()

        clock = SimpleNamespace(monotonic=time.monotonic, sleep=wait)  # other threads sleep on their own
        monkeypatch.setattr(pile_views, "time", clock)
        ((_, word, *_),) = table(send(world, ("a.pdf", world.primary.file)))
    assert waited == [1]
    assert word.startswith("Khớp")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ([], "Chọn các tệp PDF, ảnh hoặc tệp ZIP"),
        ([(f"{n}.pdf", b"x") for n in range(51)], "Có 51 tệp; mỗi lần chỉ kiểm tra 50 tệp."),
        ([("x.pdf", bytes(101 * MB))], "Cả thảy các tệp phải nhỏ hơn 100 MB"),
    ],
)
def test_a_pile_that_is_not_taken_says_why(world: World, files: list[tuple[str, bytes]], says: str) -> None:
    page = send(world, *files)
    assert page.status_code in (413, 422)
    text = page.get_data(as_text=True)
    assert "<title>Lỗi: Kiểm tra nhiều tệp một lúc" in text
    assert says in text
    program = send(world, *files, program=True)
    assert program.status_code == page.status_code
    assert says in body(program)["errors"][0]["detail"]


def test_one_file_too_large_leaves_the_others(world: World) -> None:
    rows = table(send(world, ("lớn.pdf", bytes(10 * MB + 1)), ("nhỏ.pdf", world.primary.file)))
    assert "Tệp lớn hơn 10 MB" in rows[0][1]
    assert "Khớp" in rows[1][1]


def test_few_piles_are_received_at_one_time(world: World) -> None:
    """More than one upload's worth of bytes needs a place; a client has two."""
    room = world.app.extensions["portal"].pile_room
    large = ("lớn.pdf", bytes(11 * MB))
    with room.place("127.0.0.1"), room.place("127.0.0.1"):
        refused = send(world, large, program=True)
        assert (refused.status_code, body(refused)["code"]) == (429, "too_many_at_once")
        assert send(world, ("nhỏ.pdf", world.primary.file), program=True).status_code == 200
    assert send(world, large, program=True).status_code == 200
    assert room.idle


def test_the_proxy_of_the_documents_takes_a_pile_and_waits_for_it(world: World) -> None:
    """``docs/settings.md`` shows this file; who changes a time or a size changes both."""
    told = dict(re.findall(r"(\w+) (\d+)[sm];", (ROOT / "tests/browser/nginx.conf").read_text("utf-8")))
    begun = WAIT_SECONDS + Settings.check_deadline_seconds + 5
    assert int(told["proxy_read_timeout"]) > pile_views.SECONDS + begun
    usual = world.app.config["MAX_CONTENT_LENGTH"] - world.app.config["MAX_FILE_BYTES"]
    largest = pile_views.TIMES_ONE * Settings.max_upload_bytes + usual
    assert largest <= int(told["client_max_body_size"]) << 20


def test_only_a_form_with_files_is_taken(world: World) -> None:
    assert world.client.post("/kiem-tra-nhieu", data={"file": "x"}).status_code == 415


def test_english(world: World) -> None:
    answer = world.client.post(
        "/kiem-tra-nhieu?lang=en",
        data=MultiDict([("file", (io.BytesIO(world.primary.file), "a.pdf"))]),
        content_type="multipart/form-data",
    )
    (row,) = table(answer)
    assert row[1].startswith("Matches")
    assert "(Vietnam time)" in row[5]


def test_nothing_of_a_pile_is_kept(world: World, tmp_path: Path) -> None:
    """Neither names nor bytes: in no table, in no file of the instance."""
    name, content = "Nguyễn Văn Canary.pdf", b"%PDF-1.7 canary-content"
    assert send(world, (name, content), ("x.zip", archive((name, content)))).status_code == 200
    for file in (tmp_path / "instance").rglob("*"):
        if file.is_file():
            held = file.read_bytes()
            assert name.encode() not in held
            assert b"canary-content" not in held


# -------------------------------------------------------------------------------------------- the spreadsheet


def sheet(world: World, *lines: tuple[str, str], status: int = 200, language: str = "") -> list[Any]:
    """The lines of the first sheet; () for an answer that is none."""
    form = MultiDict([each for name, number in lines for each in (("name", name), ("number", number))])
    answer = world.client.post(
        f"/kiem-tra-nhieu/bang.xlsx{language}", data=form, content_type="multipart/form-data"
    )
    assert answer.status_code == status
    if status != 200:
        return []
    assert answer.headers["Cache-Control"] == "no-store"
    book = openpyxl.load_workbook(io.BytesIO(answer.data))
    for each in book.worksheets:
        assert {cell.data_type for row in each.iter_rows() for cell in row} <= {"s", "inlineStr", "n"}
        assert {cell.data_type for row in each.iter_rows() for cell in row if cell.value} <= {"s"}
    return [tuple(cell or "" for cell in row) for row in book.worksheets[0].iter_rows(values_only=True)]


def numbered(world: World, *files: tuple[str, bytes]) -> list[str]:
    return [row["number"] for row in body(send(world, *files, program=True))["rows"]]


def test_a_spreadsheet_is_made_of_kept_results_alone(world: World) -> None:
    """Whatever the form says, the answer beside a name is the one that the portal gave."""
    first, second = numbered(world, ("a.pdf", world.primary.file), ("b.pdf", world.first.file))
    head, *lines = sheet(
        world,
        ("=1+1|cmd.pdf", first),
        ("@b.pdf", second),
        ("không kiểm tra được.pdf", ""),
        ("bịa.pdf", new_record_id(bytes(10))),
        ("sai.pdf", "GENUINE_CURRENT"),
    )
    assert head[:3] == ("Tệp", "Kết quả", "Kiểm tra bằng cách nào")
    assert [line[0] for line in lines] == [
        "=1+1|cmd.pdf",
        "@b.pdf",
        "không kiểm tra được.pdf",
        "bịa.pdf",
        "sai.pdf",
    ]
    assert [line[1] for line in lines] == [
        "Đúng bản trường cấp, đang lưu hành",
        "Đúng bản trường cấp, nhưng đã có bản mới hơn",
        "Không có số kết quả; câu trả lời chỉ có trên trang",
        *["Không có kết quả với số này, hoặc đã quá hạn giữ"] * 2,
    ]
    assert lines[0][7] == group(first)
    assert lines[0][8] == "Vẫn như vậy"
    assert lines[1][4:6] == ("H*** N***", "1")
    assert all(line[2:] == ("",) * 7 for line in lines[2:])


def test_a_spreadsheet_takes_long_names_of_a_whole_table(world: World) -> None:
    (number,) = numbered(world, ("a.pdf", world.primary.file))
    name = "học bạ của em Nguyễn Thị Ánh Nguyệt Quỳnh Như, lớp 5A, năm học 2025–2026, bản số 1, " * 2 + ".pdf"
    _, *lines = sheet(world, *[(name, number)] * 180)
    assert len(lines) == 180


def test_a_spreadsheet_says_what_stands_today(world: World) -> None:
    (number,) = numbered(world, ("a.pdf", world.primary.file))
    bundle = world.app.extensions["portal"]
    with Session(bundle.engine) as session, session.begin():
        registry.recall(
            session, world.primary.locator.record_id, "data_error", actor=ACTOR, now=bundle.clock.now()
        )
    (line,) = sheet(world, ("a.pdf", number), language="?lang=en")[1:]
    assert "school" in line[1]
    assert line[8] not in ("", "Still the same", line[1])


def test_made_up_numbers_are_charged(tmp_path: Path, issued_stock: Stock) -> None:
    """As on the page of a result: a guesser is stopped."""
    world = build(tmp_path / "i", issued_stock, LIMITS="miss v4 2/10 minutes")
    guesses = [("x.pdf", new_record_id(bytes([n]) * 10)) for n in range(3)]
    assert len(sheet(world, *guesses[:2])) == 3
    sheet(world, guesses[2], status=429)


def test_spreadsheets_are_counted_as_forms(tmp_path: Path, issued_stock: Stock) -> None:
    """One asks for as many results as it has lines."""
    world = build(tmp_path / "i", issued_stock, LIMITS="form v4 2/minute")
    for _ in range(2):
        assert len(sheet(world, ("a.pdf", ""))) == 2
    sheet(world, ("a.pdf", ""), status=429)


def test_a_spreadsheet_takes_a_place_as_a_check_does(world: World) -> None:
    """A hundred and eighty lines ask the registry a hundred and eighty times."""
    (number,) = numbered(world, ("a.pdf", world.primary.file))
    room = world.app.extensions["portal"].workroom
    usual, room.bounds = room.bounds, type(room.bounds)(room.bounds.running, 0, 4, 0.05)
    with ExitStack() as held:
        for n in range(usual.running):
            held.enter_context(room.place(f"192.0.2.{n}"))
        sheet(world, ("a.pdf", number), status=503)
    assert len(sheet(world, ("a.pdf", number))) == 2
    assert room.idle


def test_a_result_that_cannot_be_read_is_a_line_of_its_own(world: World) -> None:
    one, two = numbered(world, ("a.pdf", world.primary.file), ("b.pdf", world.first.file))
    bundle = world.app.extensions["portal"]
    with Session(bundle.engine) as session, session.begin():
        session.execute(text("UPDATE check_results SET reasons = 'x' WHERE outcome = 'GENUINE_CURRENT'"))
    lines = sheet(world, ("a.pdf", one), ("b.pdf", two))[1:]
    said = [line[1] for line in lines]
    assert said.count("Kết quả mang số này không đọc được; hãy kiểm tra lại tệp") == 1
    assert "Đúng bản trường cấp, nhưng đã có bản mới hơn" in said


def test_lines_that_do_not_fit_together_are_refused(world: World) -> None:
    for form in ({}, {"name": "a"}, {"number": "b"}, {"name": ["a", "b"], "number": "c"}):
        answer = world.client.post(
            "/kiem-tra-nhieu/bang.xlsx", data=form, content_type="multipart/form-data", headers=JSON
        )
        assert answer.status_code == 422
    assert world.client.post("/kiem-tra-nhieu/bang.xlsx", data={"name": "a"}).status_code == 415
    sheet(world, *[("a", "")] * 181, status=422)
