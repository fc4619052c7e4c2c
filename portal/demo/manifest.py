"""Which samples the demo has, and what a check must answer to each: ``manifest.json``.

A list of ``{"file", "url", "expected_verdict", "expected_evidence", "note"}``; one of file (relative to the
manifest) and url is null. The expectations follow the verdict table of ``verifier.verdict``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from portal.demo import samples
from portal.errors import marked
from verifier.locator import Locator, new_record_id
from verifier.locator import url as code_url
from verifier.record import Record
from verifier.verdict import Evidence, Outcome

FOLDER: Final = "mau"
NAME: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Place:
    """A pupil of a demo class: the school's key, the class, the place in its list."""

    school: str
    school_class: str
    number: int


PRIMARY: Final = Place("hoa-ban", "3A", 0)
SECONDARY: Final = Place("y-jut", "9A3", 0)
HIGH_SCHOOL: Final = Place("ban-mai", "12C1", 0)
CONTINUING: Final = Place("gdtx-buon-hoa", "12G", 0)
PRIVATE: Final = Place("anh-duong", "6T", 0)
MERGED: Final = Place("rach-hoa", "8/1", 0)
SUPERSEDED: Final = Place("hoa-ban", "5A", 0)
SUPERSEDED_SECONDARY: Final = Place("ban-mai", "12C1", 1)
RECALLED: Final = Place("hoa-ban", "5A", 1)
RECALLED_SECONDARY: Final = Place("y-jut", "9A3", 3)
STOLEN_SEAL: Final = Place("hoa-mai", "2C", 0)
STALE_CRL: Final = Place("sao-mai", "1B", 0)
EXPIRED: Final = Place("suong-mai", "3M", 0)
RENEWED: Final = Place("suong-mai", "3M", 1)
REVOKED_LATER: Final = Place("suong-mai", "4M", 0)
REVOKED_BEFORE: Final = Place("suong-mai", "5M", 0)
BACK_DATED: Final = Place("hoa-mai", "4D", 0)
#: Pupils whose records are drawn up and never registered: unsigned, signed, by strangers, by another
#: school, with a weak key.
UNREGISTERED: Final = tuple(Place("hoa-ban", "4B", number) for number in range(5))


@dataclass(frozen=True, slots=True)
class Issued:
    """One issued version: its code and its file."""

    url: str
    pdf: bytes
    record: Record


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that samples are made of."""

    issued: Callable[[Place, int], Issued]
    unsigned: bytes
    unregistered: bytes
    by_strangers: bytes
    by_another_school: bytes
    with_weak_key: bytes
    signed_once_more: bytes
    back_dated: bytes
    renewed: bytes


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the manifest."""

    file: str | None
    url: str | None
    expected_verdict: Outcome
    expected_evidence: Evidence
    note: str


@dataclass(frozen=True, slots=True)
class _Made:
    """A sample's file before it has its place."""

    name: str
    data: bytes
    verdict: Outcome
    evidence: Evidence
    note: str


def build(scene: Scene, directory: Path, public_url: str) -> None:
    """Makes every sample in ``directory`` and writes the manifest beside them."""
    listed: list[Sample] = []
    folder = directory / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for made in (*_genuine(scene), *_altered(scene), *_not_ours(scene), *_paper(scene), *_no_record(scene)):
        (folder / made.name).write_bytes(made.data)
        listed.append(Sample(f"{FOLDER}/{made.name}", None, made.verdict, made.evidence, made.note))
    listed += _codes(scene, public_url)
    _write(directory, listed)


def refresh(directory: Path, public_url: str) -> int:
    """Puts today's host into the codes of the manifest; answers how many samples there are."""
    listed = read(directory)
    host = urlsplit(public_url)
    moved = [
        Sample(
            line.file,
            line.url and urlsplit(line.url)._replace(scheme=host.scheme, netloc=host.netloc).geturl(),
            line.expected_verdict,
            line.expected_evidence,
            line.note,
        )
        for line in listed
    ]
    if moved != listed:
        _write(directory, moved)
    return len(listed)


def read(directory: Path) -> list[Sample]:
    """The manifest in ``directory``."""
    return [
        Sample(
            line["file"],
            line["url"],
            Outcome(line["expected_verdict"]),
            Evidence(line["expected_evidence"]),
            line["note"],
        )
        for line in json.loads((directory / NAME).read_text("utf-8"))
    ]


def _write(directory: Path, listed: list[Sample]) -> None:
    """Whole or not at all: the home page reads it at any time."""
    draft = directory / f"{NAME}.draft"
    draft.write_text(json.dumps([asdict(line) for line in listed], ensure_ascii=False, indent=1), "utf-8")
    os.replace(draft, directory / NAME)


def _genuine(scene: Scene) -> Iterator[_Made]:
    current, file = Outcome.GENUINE_CURRENT, Evidence.FILE
    for place, name, note in (
        (PRIMARY, "hien-hanh-tieu-hoc.pdf", marked("Tiểu học, 3 chữ ký, bản đang lưu hành.")),
        (
            SECONDARY,
            "hien-hanh-thcs.pdf",
            marked("THCS lớp 9, 15 chữ ký; phó hiệu trưởng ký thay hiệu trưởng (KT.)."),
        ),
        (
            HIGH_SCHOOL,
            "hien-hanh-thpt.pdf",
            marked("THPT lớp 12, hiệu trưởng ký thay một giáo viên môn học."),
        ),
        (CONTINUING, "hien-hanh-gdtx.pdf", marked("GDTX cấp THPT, quyền giám đốc ký (Q.).")),
        (PRIVATE, "hien-hanh-tu-thuc.pdf", marked("Trường tư thục, chữ ký số công cộng.")),
        (
            MERGED,
            "hien-hanh-truong-da-sap-nhap.pdf",
            marked("Trường của tỉnh Kiên Giang cũ, nay đã sáp nhập: vẫn đúng."),
        ),
    ):
        yield _Made(name, scene.issued(place, 1).pdf, current, file, note)
    yield _Made(
        "ban-so-2.pdf",
        scene.issued(SUPERSEDED, 2).pdf,
        current,
        file,
        marked("Bản số 2, cấp lại sau khi sửa sai sót."),
    )
    yield _Made(
        "ban-so-1-da-thay-the.pdf",
        scene.issued(SUPERSEDED, 1).pdf,
        Outcome.GENUINE_SUPERSEDED,
        file,
        marked("Bản số 1 của học bạ trên: đúng là của trường, nhưng đã có bản mới."),
    )
    yield _Made(
        "ban-so-1-da-thay-the-thpt.pdf",
        scene.issued(SUPERSEDED_SECONDARY, 1).pdf,
        Outcome.GENUINE_SUPERSEDED,
        file,
        marked("THPT, bản số 1 đã được thay vì sửa điểm."),
    )
    for place, name in ((RECALLED, "da-thu-hoi.pdf"), (RECALLED_SECONDARY, "da-thu-hoi-thcs.pdf")):
        yield _Made(
            name,
            scene.issued(place, 1).pdf,
            Outcome.GENUINE_REVOKED,
            file,
            marked("Trường đã thu hồi học bạ này."),
        )
    yield _Made(
        "con-dau-bi-mat.pdf",
        scene.issued(STOLEN_SEAL, 1).pdf,
        Outcome.REGISTERED_BUT_SIGNATURE_FAILS,
        file,
        marked("Đã đăng ký, nhưng con dấu số mất tin cậy từ trước ngày ký: báo động."),
    )
    for place, name, note in (
        (
            EXPIRED,
            "chung-thu-het-han-sau.pdf",
            marked(
                "Chứng thư số của giáo viên hết hạn sau khi ký: dấu thời gian chứng minh chữ ký có từ trước."
            ),
        ),
        (
            REVOKED_LATER,
            "chung-thu-bi-thu-hoi-sau.pdf",
            marked("Chứng thư số của giáo viên bị thu hồi sau khi ký: chữ ký trước đó vẫn tính."),
        ),
        (RENEWED, "dau-thoi-gian.pdf", marked("Con dấu số có dấu thời gian kèm theo (B-T).")),
    ):
        yield _Made(name, scene.issued(place, 1).pdf, current, file, note)
    yield _Made(
        "gia-han-luu-tru.pdf",
        scene.renewed,
        current,
        file,
        marked("Tệp trên, thêm dữ liệu kiểm tra và dấu thời gian lưu trữ (B-LTA): cả hai tệp đều đúng."),
    )
    yield _Made(
        "chung-thu-bi-thu-hoi-truoc.pdf",
        scene.issued(REVOKED_BEFORE, 1).pdf,
        Outcome.REGISTERED_BUT_SIGNATURE_FAILS,
        file,
        marked("Chứng thư số của giáo viên mất tin cậy từ trước lúc ký: báo động."),
    )
    yield _Made(
        "crl-het-han.pdf",
        scene.issued(STALE_CRL, 1).pdf,
        Outcome.CHECK_INCOMPLETE,
        file,
        marked("Danh sách thu hồi của một tổ chức chứng thực đã hết hạn: chưa kết luận được."),
    )


def _altered(scene: Scene) -> Iterator[_Made]:
    differs, file = Outcome.CONTENT_DIFFERS, Evidence.FILE
    primary, secondary = scene.issued(PRIMARY, 1).pdf, scene.issued(SECONDARY, 1)
    yield _Made(
        "them-sau-con-dau.pdf",
        samples.with_bytes_after(primary),
        differs,
        file,
        marked("Một ghi chú được nối thêm sau con dấu số; phần trước đó vẫn nguyên."),
    )
    for name, data, note in (
        (
            "phu-len-trang.pdf",
            samples.with_overlay(primary),
            marked("Một mảng trắng phủ lên trang, thêm sau con dấu số."),
        ),
        (
            "them-o-nhap.pdf",
            samples.with_form_value(primary),
            marked("Một ô nhập có sẵn điểm, thêm sau con dấu số."),
        ),
        ("byte-thua.pdf", samples.with_loose_bytes(primary), marked("Có byte thừa sau con dấu số.")),
        (
            "hai-bang-doi-tuong.pdf",
            samples.with_two_tables(primary),
            marked(
                "Thêm sau con dấu số một bảng đối tượng thứ hai: mỗi phần mềm có thể đọc ra tài liệu khác."
            ),
        ),
        (
            "nguoi-la-ky-them.pdf",
            scene.signed_once_more,
            marked("Người lạ ký thêm một chữ ký sau con dấu số: tệp không còn là tệp trường cấp."),
        ),
    ):
        yield _Made(name, data, differs, file, note)
    yield _Made(
        "luu-lai.pdf",
        samples.resaved(primary),
        differs,
        file,
        marked("Mở ra rồi lưu lại bằng phần mềm khác: nội dung không đổi nhưng không còn là tệp trường cấp."),
    )
    old, new = _better_mark(secondary.record)
    yield _Made(
        "sua-diem.pdf",
        samples.with_edited_page(secondary.pdf, old, new),
        differs,
        file,
        marked("Điểm Toán cả năm bị sửa rồi lưu lại."),
    )


def _not_ours(scene: Scene) -> Iterator[_Made]:
    no, file = Outcome.NOT_VERIFIED, Evidence.FILE
    yield _Made("chua-ky.pdf", scene.unsigned, no, file, marked("Bản in thử, chưa có chữ ký nào."))
    yield _Made(
        "nguoi-la-ky.pdf",
        scene.by_strangers,
        no,
        file,
        marked("Ký bằng chứng thư số mang tên y hệt, nhưng do một tổ chức lạ tự lập cấp."),
    )
    yield _Made(
        "truong-khac-ky.pdf",
        scene.by_another_school,
        no,
        file,
        marked("Chứng thư số thật, nhưng của trường khác, không được duyệt ký cho trường này."),
    )
    yield _Made(
        "khoa-yeu.pdf",
        scene.with_weak_key,
        no,
        file,
        marked("Con dấu số mang tên trường nhưng có khóa RSA 1024 bit: khóa yếu như thế có thể bị tính ra."),
    )
    yield _Made(
        "lui-ngay-ky.pdf",
        scene.back_dated,
        no,
        file,
        marked("Con dấu số bị mất, ký lùi ngày về trước lúc mất: ngày tự ghi không chứng minh được gì."),
    )
    yield _Made(
        "dau-that-chua-dang-ky.pdf",
        scene.unregistered,
        Outcome.SEAL_VALID_NOT_REGISTERED,
        file,
        marked("Con dấu số thật, nhưng kho học bạ không có tệp này: báo động."),
    )


def _paper(scene: Scene) -> Iterator[_Made]:
    code = Evidence.CODE
    primary, secondary = scene.issued(PRIMARY, 1).pdf, scene.issued(SECONDARY, 1)
    yield _Made(
        "anh-chup-ban-in.jpg",
        samples.photographed(samples.printed(primary), seed="printed"),
        Outcome.GENUINE_CURRENT,
        code,
        marked("Ảnh chụp bản in: mã đúng, nội dung trên giấy chưa được so."),
    )
    yield _Made(
        "anh-chup-man-hinh.png",
        samples.png(samples.printed(primary, 1)),
        Outcome.GENUINE_CURRENT,
        code,
        marked("Ảnh chụp màn hình một trang."),
    )
    yield _Made(
        "ban-quet.pdf",
        samples.scanned(samples.all_printed(primary)),
        Outcome.GENUINE_CURRENT,
        code,
        marked("Bản in được quét lại thành PDF: chỉ mã QR nói được."),
    )
    old, new = _better_mark(secondary.record)
    yield _Made(
        "anh-chup-ban-sua-diem.jpg",
        samples.photographed(samples.altered_paper(secondary.pdf, old, new), seed="altered"),
        Outcome.GENUINE_CURRENT,
        code,
        marked("Giấy bị sửa điểm Toán, mã QR vẫn thật: vì vậy phải so nội dung."),
    )
    yield _Made(
        "anh-chup-ban-cu.jpg",
        samples.photographed(samples.printed(scene.issued(SUPERSEDED, 1).pdf), seed="superseded"),
        Outcome.GENUINE_SUPERSEDED,
        code,
        marked("Ảnh chụp bản in của bản số 1, đã có bản số 2."),
    )
    poster = samples.poster(
        "https://hoc-ba-so.example.net/tra-cuu?ma=123456", "TRA CỨU HỌC BẠ SỐ\nQuét mã để xem kết quả"
    )
    yield _Made(
        "ma-qr-la.jpg",
        samples.photographed(poster, seed="foreign"),
        Outcome.NOT_VERIFIED,
        code,
        marked("Mã QR dẫn đến một trang khác, không phải cổng này."),
    )


def _no_record(scene: Scene) -> Iterator[_Made]:
    primary = scene.issued(PRIMARY, 1).pdf
    for name, data, note in (
        ("hoc-ba.xml", samples.XML, marked("Gói XML của ngành: cổng chưa kiểm tra được dạng này.")),
        (
            "hoc-ba.zip",
            samples.zipped("hoc-ba.pdf", primary),
            marked("Tệp nén: hãy mở ra và gửi từng tệp PDF."),
        ),
        ("co-mat-khau.pdf", samples.with_password(primary), marked("PDF đặt mật khẩu.")),
        ("trong.pdf", b"", marked("Tệp trống.")),
        ("rac.bin", samples.garbage(), marked("Không phải PDF, không phải ảnh.")),
    ):
        yield _Made(name, data, Outcome.NOT_VERIFIED, Evidence.FILE, note)


def _codes(scene: Scene, public_url: str) -> Iterator[Sample]:
    code = Evidence.CODE
    for place, outcome, note in (
        (PRIMARY, Outcome.GENUINE_CURRENT, marked("Quét mã của bản đang lưu hành.")),
        (SUPERSEDED, Outcome.GENUINE_SUPERSEDED, marked("Quét mã của bản đã được thay thế.")),
        (RECALLED, Outcome.GENUINE_REVOKED, marked("Quét mã của học bạ đã thu hồi.")),
        (
            STOLEN_SEAL,
            Outcome.REGISTERED_BUT_SIGNATURE_FAILS,
            marked("Quét mã của học bạ có con dấu số mất tin cậy."),
        ),
        (STALE_CRL, Outcome.CHECK_INCOMPLETE, marked("Quét mã khi danh sách thu hồi đã hết hạn.")),
    ):
        yield Sample(None, scene.issued(place, 1).url, outcome, code, note)
    own = _locator(scene.issued(PRIMARY, 1).url)
    other = _locator(scene.issued(SECONDARY, 1).url)
    mixed = code_url(public_url, Locator(own.record_id, other.digest))
    yield Sample(
        None,
        mixed,
        Outcome.CONTENT_DIFFERS,
        code,
        marked("Mã tra cứu thật ghép với mã đối chiếu của học bạ khác."),
    )
    unknown = code_url(public_url, Locator(new_record_id(bytes(range(10))), own.digest))
    yield Sample(None, unknown, Outcome.NOT_VERIFIED, code, marked("Mã viết đúng cách nhưng kho không có."))
    wrong = "0" if str(own)[3] != "0" else "1"
    malformed = f"{public_url.upper()}/V/{str(own)[:3]}{wrong}{str(own)[4:]}"
    yield Sample(
        None,
        malformed,
        Outcome.NOT_VERIFIED,
        code,
        marked("Một ký tự của mã bị chép sai: ký tự kiểm tra không khớp."),
    )


def _locator(url: str) -> Locator:
    return Locator.parse(url.rpartition("/")[2])


def _better_mark(record: Record) -> tuple[str, str]:
    """The year's mark in mathematics as printed, and what a forger would like."""
    row = record.fields()["mon.TOAN"]
    if not isinstance(row, dict):
        raise TypeError("mon.TOAN is not a subject row")
    mark = str(row["ca_nam"]).replace(".", ",")
    return mark, "9,9" if mark != "9,9" else "10,0"


def correction(record: Record) -> Mapping[str, object]:
    """What is put right in a new version: an address in primary, a remark in secondary."""
    fields = record.fields()
    if "nhan_xet_gvcn" in fields:
        return {"nhan_xet_gvcn": "Chăm học, tiến bộ rõ trong học kì II."}
    return {"noi_o_hien_tai": f"Bản Hoa Mơ, {fields['noi_o_hien_tai']}"}
