"""Invented records for the tests of printing: a full one (every field the form can print), a bare one, an
overlong one.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from portal.issuing.appearance import Signatory
from portal.issuing.rendering import PrintedMeta
from verifier.locator import Locator, new_record_id, url
from verifier.record import (
    QUALITIES,
    Assessment,
    Level,
    Record,
    SubjectKind,
    digest,
    is_last_grade,
    level_info,
    make_disclosures,
    make_header,
    outcome_phrases,
    parse,
    subjects,
)

LONG_NAME = "Nguyễn Phước Bảo Quỳnh Như Công Tằng Tôn Nữ"
PUBLIC_URL = "https://xacthuc.hocba.example.vn"
HANOI = timezone(timedelta(hours=7))
REMARKS = (
    "Nắm vững kiến thức, vận dụng tốt vào giải bài tập; cần trình bày cẩn thận hơn.",
    "Có tiến bộ rõ rệt ở học kì II, tích cực phát biểu xây dựng bài.",
    "Chăm chỉ, hoàn thành tốt các nhiệm vụ học tập được giao.",
)
SCHOOLS = {
    Level.TIEU_HOC: "Trường Tiểu học Kim Đồng",
    Level.THCS: "Trường THCS Nguyễn Du",
    Level.THPT: "Trường THPT Chu Văn An",
    Level.GDTX_THPT: "Trung tâm Giáo dục nghề nghiệp – Giáo dục thường xuyên Cầu Giấy",
}


@dataclass(frozen=True)
class Paper:
    """What the renderer takes for one version of a record."""

    record: Record
    header: dict[str, Any]
    disclosures: tuple[str, ...]
    url: str
    meta: PrintedMeta


def paper(record: Record, *, version: int = 1) -> Paper:
    """``record`` with a header and a locator of its own; salts and id follow from the content."""
    seed = hashlib.sha256(record.common.ho_va_ten.encode()).digest()
    numbers = iter(range(10_000))
    disclosures = make_disclosures(
        record.fields(), lambda: hashlib.sha256(seed + next(numbers).to_bytes(4)).digest()[:16]
    )
    record_id = new_record_id(seed[:10])
    header = make_header(
        record, record_id=record_id, version=version, issued_on=record.issued_on, disclosures=disclosures
    )
    address = url(PUBLIC_URL, Locator(record_id, digest(header)))
    meta = PrintedMeta.for_url(
        address,
        system_name="Cổng xác thực học bạ số",
        owner="Sở Giáo dục và Đào tạo thành phố Hà Nội",
        converter="Trần Quốc Tuấn, Hiệu trưởng",
        converted_at=datetime(2026, 5, 30, 8, 5, tzinfo=HANOI),
        signatories=signatories(record),
    )
    return Paper(record, header, disclosures, address, meta)


def worst_paper(level: Level, grade: int) -> Paper:
    """:func:`overlong`, signed by people of long names, with the longest words at the foot."""
    record = overlong(level, grade)
    a_paper = paper(record, version=12)
    words = "Sở Giáo dục và Đào tạo, Uỷ ban nhân dân thành phố trực thuộc Trung ương Ẵng Ễnh Ặ ỹ "
    meta = replace(
        a_paper.meta,
        system_name=(words * 3)[:120].strip(),
        owner=(words * 3)[:160].strip(),
        converter=record.common.truong,
        signatories=signatories(record, teacher=LONG_NAME),
    )
    return replace(a_paper, meta=meta)


def signatories(record: Record, teacher: str = "Nguyễn Thị Thanh Huyền") -> dict[str, Signatory]:
    """Who signs ``record``: every teacher but one is called ``teacher``."""
    names = dict.fromkeys(record.signature_fields, teacher)
    names |= {
        "GVBM.TOAN": "Lò Văn Đức",
        "CBQL": record.common.nguoi_ky,
        "KY_PHAT_HANH": record.common.truong,
    }
    return {
        field: Signatory(
            names[field],
            ("Đã ký số",)
            if field.startswith("GVBM.")
            else ("Ký phát hành", names[field])
            if field == "KY_PHAT_HANH"
            else (names[field],),
        )
        for field in record.signature_fields
    }


def full(level: Level, grade: int, *, before_2025_07: bool = False, electives_from: int = 0) -> Record:
    """Every field that a record of this level and grade can print has a value.

    ``electives_from``: index of the first elective taken (THPT and GDTX take four).
    """
    year = "2024-2025" if before_2025_07 else "2025-2026"
    issued = f"30/05/{year[-4:]}"
    data = _common(level, grade, year, issued)
    if before_2025_07:
        data["quan_huyen"] = "Quận Ba Đình"
    optional = [s for s in subjects(level, grade) if s.kind is not SubjectKind.ELECTIVE]
    electives = [s for s in subjects(level, grade) if s.kind is SubjectKind.ELECTIVE][electives_from:]
    chosen = {s.code for s in (*optional, *electives[: level_info(level).electives_to_choose])}
    for number, subject in enumerate(s for s in subjects(level, grade) if s.code in chosen):
        row: dict[str, Any] = {"ten": subject.name, "nhan_xet": REMARKS[number % 3]}
        if subject.code == "NGOAI_NGU_1" and subject.free_text_suffix:
            row["ten"] = f"{subject.name} (Tiếng Anh)"
        match subject.assessment:
            case Assessment.LEVEL:
                row["muc_dat_duoc"] = "T"
            case Assessment.LEVEL_AND_SCORE:
                row |= {"muc_dat_duoc": "T", "diem_ktdk": "10" if subject.code == "TOAN" else "9"}
            case Assessment.SCORE:
                row |= {"hk1": "8.1", "hk2": "8.6", "ca_nam": "8.4"}
            case Assessment.PASS_FAIL:
                row |= dict.fromkeys(("hk1", "hk2", "ca_nam"), "Đạt")
        data[subject.field] = row
    if level is Level.TIEU_HOC:
        data |= {quality.field: "T" for quality in QUALITIES}
        data |= {
            "chieu_cao": "132.5",
            "can_nang": "29.0",
            "nghi_co_phep": 2,
            "nghi_khong_phep": 0,
            "ket_qua_giao_duc": "Hoàn thành xuất sắc",
            "khen_thuong": "Học sinh Xuất sắc",
            "hoan_thanh": "Hoàn thành chương trình tiểu học"
            if grade == 5
            else f"Hoàn thành chương trình lớp {grade}",
            "ghi_de": [
                {"truong": "khen_thuong", "ly_do": "Hội đồng thi đua của nhà trường đã họp và thống nhất."}
            ],
        }
    else:
        data |= _secondary_results(level, grade)
    return parse(data)


def bare(level: Level, grade: int) -> Record:
    """Only what the rules demand: the shortest pages."""
    data = full(level, grade).to_input()
    for name in (
        *(
            "dan_toc",
            "quoc_tich",
            "doi_tuong",
            "so_dinh_danh_ca_nhan",
            "noi_sinh",
            "que_quan",
            "noi_o_hien_tai",
        ),
        *("cha_ho_ten", "cha_nghe_nghiep", "me_ho_ten", "me_nghe_nghiep"),
        *("nguoi_giam_ho_ho_ten", "nguoi_giam_ho_nghe_nghiep", "qua_trinh_hoc_tap", "xa_phuong"),
        *("so_so_dang_bo", "chung_chi", "ket_qua_cuoc_thi", "ket_qua_ren_luyen_he", "nhan_xet_gvcn"),
        *("phe_duyet_hieu_truong", "chieu_cao", "can_nang", "nghi_co_phep", "nghi_khong_phep"),
    ):
        data.pop(name, None)
    for name, row in data.items():
        if name.startswith("mon.") and isinstance(row, dict):
            row.pop("nhan_xet", None)
    data["ngay_sinh"] = str(data["ngay_sinh"])[-4:]
    return parse(data)


def overlong(level: Level, grade: int) -> Record:
    """Names, addresses, remarks and lists as long as the model lets them be."""
    data = full(level, grade).to_input()
    words = "Em chăm ngoan, lễ phép, hoà đồng với bạn bè và học đều các môn trong cả năm học. "
    data["ho_va_ten"] = "Công Tằng Tôn Nữ Nguyễn Thị Thuỳ Dương H’Nga Niê Kdăm Phương Thảo"
    places = "Thôn Ẵng Ễ, xã Nguyễn Huệ (Ẫ ẫ Ặ ặ Ỹ ỹ Ư Ơ Đ), huyện Trà Bồng, tỉnh Quảng Ngãi; "
    data |= dict.fromkeys(("noi_o_hien_tai", "noi_sinh", "que_quan"), (places * 5)[:300].strip())
    data |= {
        "dan_toc": "Cơ Ho (Xrê, Nốp, Cơ Dòn, Chil, Lát, Tơ Ring) Ễ Ẵ",
        "quoc_tich": "Cộng hòa Dân chủ Nhân dân Lào và Việt Nam",
        "doi_tuong": (words * 3)[:200].strip(),
        "lop": "12A15 chuyên Toán – Tin học",
        "xa_phuong": "Phường Bắc Cam Ranh, đặc khu Hành chính – Kinh tế đặc biệt Trường Sa và Hoàng Sa",
        "chuc_vu": "Phó Hiệu trưởng phụ trách nhà trường" if level is not Level.GDTX_THPT else "Phó Giám đốc",
        "nguoi_ky": LONG_NAME,
    }
    for who in ("cha", "me", "nguoi_giam_ho"):
        data[f"{who}_ho_ten"] = unicodedata.normalize("NFD", f"{LONG_NAME} Ẵng Ễnh Ặ Ỹ")
        data[f"{who}_nghe_nghiep"] = (words * 2)[:120].strip()
    data["truong"] = (
        "Trường Phổ thông dân tộc bán trú Tiểu học và Trung học cơ sở xã Nậm Cắn thuộc huyện Kỳ Sơn cũ"
    )
    data["qua_trinh_hoc_tap"] = [
        {
            "nam_hoc": f"{y}-{y + 1}",
            "lop": f"{y - 2005}A{y % 7}",
            "truong": f"{data['truong']}, điểm trường {y}",
            "tinh": "Nghệ An",
        }
        for y in range(2006, 2026)
    ]
    for number, (name, row) in enumerate(data.items()):
        if name.startswith("mon.") and isinstance(row, dict):
            row["nhan_xet"] = (words * 8)[: 600 if number % 3 else 320].strip()
    if "mon.GIAO_DUC_THE_CHAT" in data:
        data["mon.GIAO_DUC_THE_CHAT"] = {"ten": "Giáo dục thể chất", "mien": True}
    if level is Level.TIEU_HOC:
        data |= {"chieu_cao": "188.8", "can_nang": "100.8", "nghi_co_phep": 188, "nghi_khong_phep": 188}
    else:
        data["so_so_dang_bo"] = "1024/2024-2025/Quyển số 18/Phòng Văn hoá – Xã hội phường"
        again = data["mon.TOAN"]
        assert isinstance(again, dict)
        again["sau_danh_gia_lai"] = "10.0"
        data["chung_chi"] = [{"ten": (words * 3)[:200].strip(), "loai": (words)[:80].strip()}]
        data["nhan_xet_gvcn"] = (words * 20)[:1490].strip()
        data["ket_qua_cuoc_thi"] = (words * 8)[:590].strip()
    data["khen_thuong"] = f"{data['khen_thuong']}; " + (words * 6)[:500].strip()
    overridden = ["khen_thuong", "chuc_vu", "mon.TOAN", "mon"]
    if level is not Level.TIEU_HOC:
        overridden += [
            "kq_ren_luyen_sau_he",
            "kq_hoc_tap_sau_danh_gia_lai",
            "mon.TOAN.sau_danh_gia_lai",
        ]
    data["ghi_de"] = [{"truong": name, "ly_do": (words * 6)[:480].strip()} for name in overridden]
    return parse(data)


def _common(level: Level, grade: int, year: str, issued: str) -> dict[str, Any]:
    school = SCHOOLS[level]
    born = int(year[:4]) - grade - 5
    return {
        "level": level.value,
        "scheme": level_info(level).scheme.value,
        "grade": grade,
        "year": year,
        "ma_truong": "01001702",
        "ma_hoc_sinh": "0102030405",
        "ho_va_ten": "Nguyễn Thị Hường",
        "gioi_tinh": "Nữ",
        "ngay_sinh": f"05/09/{born}",
        "dan_toc": "Kinh",
        "quoc_tich": "Việt Nam",
        "doi_tuong": "Con thương binh",
        "so_dinh_danh_ca_nhan": "001313004567",
        "noi_sinh": "Bệnh viện Phụ sản Hà Nội, phường Giảng Võ, thành phố Hà Nội",
        "que_quan": "Xã Thiệu Hóa, tỉnh Thanh Hóa",
        "noi_o_hien_tai": "Số 12 ngõ 35 phố Trần Phú, phường Ba Đình, thành phố Hà Nội",
        "cha_ho_ten": "Nguyễn Văn Hùng",
        "cha_nghe_nghiep": "Kĩ sư",
        "me_ho_ten": "Lê Thị Hoà",
        "me_nghe_nghiep": "Giáo viên",
        "nguoi_giam_ho_ho_ten": "Lê Quang Thuỵ",
        "nguoi_giam_ho_nghe_nghiep": "Cán bộ hưu trí",
        "truong": school,
        "xa_phuong": "Phường Ba Đình",
        "tinh_thanh": "Thành phố Hà Nội",
        "lop": f"{grade}A1",
        "qua_trinh_hoc_tap": [
            {
                "nam_hoc": f"{int(year[:4]) - 1}-{year[:4]}",
                "lop": f"{grade - 1}A1",
                "truong": "Trường PTDTBT xã Nậm Cắn",
                "tinh": "Nghệ An",
            },
            {"nam_hoc": year, "lop": f"{grade}A1", "truong": school, "tinh": "Hà Nội"},
        ],
        "nguoi_ky": "Trần Quốc Tuấn",
        "chuc_vu": level_info(level).head_title,
        "ngay_ky_phat_hanh": issued,
    }


def _secondary_results(level: Level, grade: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        f"kq_{what}_{term}": "Tốt" for what in ("ren_luyen", "hoc_tap") for term in ("hk1", "hk2", "ca_nam")
    }
    award = level_info(level).awards[-1]
    result |= {
        "so_so_dang_bo": "1024/2024",
        "tong_so_buoi_nghi": 3,
        "ket_qua_len_lop": "Được lên lớp",
        "chung_chi": [{"ten": "Tin học IC3 Spark", "loai": "Giỏi"}, {"ten": "Nghề phổ thông"}],
        "ket_qua_cuoc_thi": "Giải Ba môn Toán cấp thành phố",
        "khen_thuong": award,
        "ket_qua_ren_luyen_he": "Tham gia đầy đủ sinh hoạt hè tại địa phương",
        "kq_ren_luyen_sau_he": "Tốt",
        "kq_hoc_tap_sau_danh_gia_lai": "Tốt",
        "nhan_xet_gvcn": "Em chăm ngoan, lễ phép, hoà đồng; học đều các môn, có ý thức giúp đỡ bạn.",
        "phe_duyet_hieu_truong": "Đồng ý với nhận xét của giáo viên chủ nhiệm.",
        "ghi_de": [
            {"truong": "kq_ren_luyen_sau_he", "ly_do": "Tự nguyện tham gia rèn luyện thêm tại địa phương."},
            {"truong": "kq_hoc_tap_sau_danh_gia_lai", "ly_do": "Giữ nguyên theo biên bản của hội đồng."},
        ],
    }
    if is_last_grade(level, grade):
        result["hoan_thanh_ct"] = outcome_phrases(level, grade, "hoan_thanh_ct")[0][0]
    return result
