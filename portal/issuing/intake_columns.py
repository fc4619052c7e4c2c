"""Which column is which: the field names of the record, or the Vietnamese heads that clerks know.

A head is compared without regard to capitals, Unicode form, kì/kỳ, lí/lý, the place of a tone mark and
punctuation; a head without any marks ("Ho va ten") is accepted where it fits one column only. Subject columns
are the subject's name followed by the part ("Toán HK1", "Toán - Cả năm", "Ngoại ngữ 1 (Tiếng Anh) Nhận xét"),
also over two header rows.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from verifier.record import QUALITIES, ColumnKind, Level, Subject, columns, comparison_key, level_info
from verifier.record.kinds import Kind, fields_of
from verifier.record.model import RowKind, field_specs

# Field → heads. The first is the one in our template.
LABELS: Final[dict[str, tuple[str, ...]]] = {
    "level": ("Cấp học", "Cấp"),
    "scheme": ("Quy định đánh giá", "Thông tư đánh giá"),
    "grade": ("Khối", "Khối lớp"),
    "year": ("Năm học",),
    "ma_truong": ("Mã trường", "Mã định danh trường", "Mã cơ sở giáo dục", "Mã CSGD"),
    "ma_hoc_sinh": (
        "Mã học sinh",
        "Mã học viên",
        "Mã HS",
        "Mã định danh học sinh",
        "Mã định danh Bộ GDĐT",
        "Mã định danh Bộ GD&ĐT",
    ),
    "ho_va_ten": (
        "Họ và tên",
        "Họ tên",
        "Họ và tên học sinh",
        "Họ tên học sinh",
        "Tên học sinh",
        "Họ và tên học viên",
        "Họ, chữ đệm và tên",
        "Họ, chữ đệm, tên",
    ),
    "gioi_tinh": ("Giới tính", "Nam/Nữ", "Phái"),
    "ngay_sinh": ("Ngày sinh", "Ngày, tháng, năm sinh", "Ngày tháng năm sinh", "Sinh ngày", "NTNS"),
    "dan_toc": ("Dân tộc",),
    "quoc_tich": ("Quốc tịch",),
    "doi_tuong": ("Đối tượng", "Diện chính sách", "Đối tượng chính sách"),
    "so_dinh_danh_ca_nhan": (
        "Số định danh cá nhân",
        "Mã định danh cá nhân",
        "Số ĐDCN",
        "Số CCCD",
        "CCCD",
        "Số căn cước",
        "Số định danh cá nhân/CCCD",
    ),
    "noi_sinh": ("Nơi sinh",),
    "que_quan": ("Quê quán",),
    "noi_o_hien_tai": ("Nơi ở hiện tại", "Chỗ ở hiện tại", "Chỗ ở hiện nay", "Nơi ở hiện nay", "Địa chỉ"),
    "cha_ho_ten": ("Họ tên cha", "Họ và tên cha", "Họ tên bố", "Họ và tên bố"),
    "cha_nghe_nghiep": ("Nghề nghiệp cha", "Nghề nghiệp của cha", "Nghề nghiệp bố"),
    "me_ho_ten": ("Họ tên mẹ", "Họ và tên mẹ"),
    "me_nghe_nghiep": ("Nghề nghiệp mẹ", "Nghề nghiệp của mẹ"),
    "nguoi_giam_ho_ho_ten": ("Họ tên người giám hộ", "Họ và tên người giám hộ", "Người giám hộ"),
    "nguoi_giam_ho_nghe_nghiep": ("Nghề nghiệp người giám hộ", "Nghề nghiệp của người giám hộ"),
    "truong": ("Trường", "Tên trường", "Cơ sở giáo dục", "Trung tâm"),
    "xa_phuong": ("Xã/Phường", "Xã", "Phường", "Xã, phường", "Xã/Phường/Đặc khu"),
    "xa_phuong_ma": ("Mã xã/phường", "Mã xã"),
    "quan_huyen": ("Quận/Huyện", "Huyện", "Quận", "Quận, huyện", "Huyện/Quận"),
    "tinh_thanh": ("Tỉnh/Thành phố", "Tỉnh", "Thành phố", "Tỉnh, thành phố", "Tỉnh/TP", "Tỉnh thành"),
    "tinh_thanh_ma": ("Mã tỉnh/thành phố", "Mã tỉnh"),
    "lop": ("Lớp", "Tên lớp", "Lớp học"),
    "qua_trinh_hoc_tap": ("Quá trình học tập",),
    "so_so_dang_bo": ("Số sổ đăng bộ", "Số đăng bộ", "Sổ đăng bộ"),
    "chieu_cao": ("Chiều cao", "Chiều cao (cm)"),
    "can_nang": ("Cân nặng", "Cân nặng (kg)"),
    "nghi_co_phep": ("Nghỉ có phép", "Số ngày nghỉ có phép", "Có phép", "Ngày nghỉ có phép"),
    "nghi_khong_phep": ("Nghỉ không phép", "Số ngày nghỉ không phép", "Không phép", "Ngày nghỉ không phép"),
    "ket_qua_giao_duc": ("Kết quả giáo dục", "Đánh giá kết quả giáo dục", "Đánh giá KQGD"),
    "khen_thuong": ("Khen thưởng", "Danh hiệu"),
    "hoan_thanh": ("Hoàn thành chương trình lớp học/tiểu học", "Hoàn thành chương trình", "Kết quả cuối năm"),
    "kq_ren_luyen_hk1": ("Rèn luyện HK1", "Kết quả rèn luyện HK1", "Rèn luyện học kì I"),
    "kq_ren_luyen_hk2": ("Rèn luyện HK2", "Kết quả rèn luyện HK2", "Rèn luyện học kì II"),
    "kq_ren_luyen_ca_nam": ("Rèn luyện Cả năm", "Kết quả rèn luyện Cả năm", "Rèn luyện CN"),
    "kq_ren_luyen_sau_he": ("Rèn luyện sau rèn luyện hè", "Kết quả rèn luyện sau hè", "Rèn luyện sau hè"),
    "kq_hoc_tap_hk1": ("Học tập HK1", "Kết quả học tập HK1", "Học tập học kì I"),
    "kq_hoc_tap_hk2": ("Học tập HK2", "Kết quả học tập HK2", "Học tập học kì II"),
    "kq_hoc_tap_ca_nam": ("Học tập Cả năm", "Kết quả học tập Cả năm", "Học tập CN"),
    "kq_hoc_tap_sau_danh_gia_lai": ("Học tập sau đánh giá lại", "Kết quả học tập sau đánh giá lại"),
    "tong_so_buoi_nghi": ("Tổng số buổi nghỉ", "Số buổi nghỉ", "Số buổi nghỉ học", "Tổng số buổi nghỉ học"),
    "ket_qua_len_lop": ("Kết quả lên lớp", "Lên lớp", "Được lên lớp"),
    "hoan_thanh_ct": ("Hoàn thành chương trình cấp học", "Hoàn thành chương trình THCS", "Hoàn thành CT"),
    "chung_chi": ("Chứng chỉ",),
    "ket_qua_cuoc_thi": ("Kết quả tham gia các cuộc thi", "Kết quả cuộc thi", "Các cuộc thi"),
    "ket_qua_ren_luyen_he": ("Kết quả rèn luyện trong hè", "Kết quả rèn luyện hè"),
    "nhan_xet_gvcn": ("Nhận xét của GVCN", "Nhận xét GVCN", "Nhận xét của giáo viên chủ nhiệm"),
    "phe_duyet_hieu_truong": (
        "Phê duyệt của hiệu trưởng",
        "Nhận xét, phê duyệt của hiệu trưởng",
        "Phê duyệt của giám đốc",
    ),
    "nguoi_ky": ("Người ký", "Họ tên người ký"),
    "chuc_vu": ("Chức vụ", "Chức vụ người ký"),
    "ngay_ky_phat_hanh": ("Ngày ký phát hành", "Ngày phát hành", "Ngày ký", "Ngày cấp"),
    "ghi_de": ("Ghi đè kèm lý do", "Ghi đè"),
}
HEADER_FACTS: Final = ("level", "scheme", "grade", "year", "ma_truong", "ma_hoc_sinh")
#: Head of the column that a file with mistakes comes back with (``portal.issuing.marked``).
MISTAKES: Final = "Lỗi"
IGNORED: Final = ("STT", "TT", "Số thứ tự", "Số TT", MISTAKES)
_PARTS: Final[dict[str, tuple[str, ...]]] = {
    "ten": ("Tên môn", "Tên môn học", "Tên"),
    "hk1": (
        "HK1",
        "HKI",
        "HK 1",
        "HK I",
        "Học kì 1",
        "Học kì I",
        "ĐTB HK1",
        "ĐTBmhk1",
        "ĐTB môn HK1",
        "Kì 1",
        "Kì I",
    ),
    "hk2": (
        "HK2",
        "HKII",
        "HK 2",
        "HK II",
        "Học kì 2",
        "Học kì II",
        "ĐTB HK2",
        "ĐTBmhk2",
        "ĐTB môn HK2",
        "Kì 2",
        "Kì II",
    ),
    "ca_nam": ("Cả năm", "CN", "ĐTB cả năm", "ĐTBmcn", "ĐTB môn cả năm"),
    "sau_danh_gia_lai": ("Sau đánh giá lại", "Đánh giá lại", "Kiểm tra lại", "Điểm đánh giá lại"),
    "muc_dat_duoc": ("Mức đạt được", "Mức đạt", "Mức"),
    "diem_ktdk": ("Điểm KTĐK", "KTĐK", "Điểm", "Điểm kiểm tra", "Điểm kiểm tra định kì"),
    "nhan_xet": ("Nhận xét", "Nhận xét của giáo viên", "NX"),
    "mien": ("Miễn", "Miễn học"),
}
# Names that clerks use for a subject beside those of the form.
_SUBJECT_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "NGOAI_NGU_1": ("Tiếng Anh", "Ngoại ngữ", "Anh văn"),
    "NGOAI_NGU": ("Tiếng Anh", "Anh văn"),
    "GIAO_DUC_CONG_DAN": ("GDCD",),
    "GIAO_DUC_THE_CHAT": ("GDTC", "Thể dục"),
    "GDQP_AN": ("GDQP&AN", "GDQPAN", "Giáo dục quốc phòng"),
    "GD_KT_PL": ("GDKT&PL", "GDKTPL", "Kinh tế pháp luật"),
    "GD_DIA_PHUONG": ("Giáo dục địa phương", "GDĐP"),
    "HDTN_HN": ("HĐTN, HN", "HĐTNHN", "Hoạt động trải nghiệm"),
    "HOAT_DONG_TRAI_NGHIEM": ("HĐTN",),
    "KHOA_HOC_TU_NHIEN": ("KHTN",),
    "LICH_SU_DIA_LI": ("LS&ĐL", "Lịch sử & Địa lí"),
    "TU_NHIEN_XA_HOI": ("TNXH", "TN&XH"),
    "NGU_VAN": ("Văn",),
    "HOA_HOC": ("Hóa",),
    "VAT_LI": ("Lí",),
    "SINH_HOC": ("Sinh",),
    "LICH_SU": ("Sử",),
    "DIA_LI": ("Địa",),
    "NGHE_THUAT_AM_NHAC": ("Âm nhạc",),
    "NGHE_THUAT_MI_THUAT": ("Mĩ thuật",),
    "TIN_HOC_CONG_NGHE_TIN_HOC": ("Tin học",),
    "TIN_HOC_CONG_NGHE_CONG_NGHE": ("Công nghệ",),
}
_LANGUAGES: Final = {"tiếng anh": "Tiếng Anh", "anh văn": "Tiếng Anh"}


@dataclass(frozen=True, slots=True)
class Column:
    """A recognised head. ``subject_name`` is what the head itself calls the subject ("Ngoại ngữ 1 (Tiếng
    Anh)").
    """

    field: str
    subject_name: str | None = None


IGNORED_COLUMN: Final = Column("")


@lru_cache(maxsize=4096)  # the same few heads are compared thousands of times a file
def key(label: str) -> str:
    """What two heads must share to be the same."""
    words = re.sub(r"[^\w\u0300-\u036f]+", " ", label.replace("&", " và "))
    return comparison_key(words).replace("y", "i")


def plain_key(label: str) -> str:
    """:func:`key` without any marks."""
    return _bare(key(label))


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.replace("đ", "d"))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


@cache
def kinds(level: Level, grade: int) -> dict[str, Kind]:
    """Flat column → the kind of its values, for one level and grade (header facts excepted)."""
    found: dict[str, Kind] = {}
    for spec in field_specs(level, grade):
        if isinstance(spec.kind, RowKind):
            found |= {f"{spec.name}.{sub.name}": sub.kind for sub in fields_of(spec.kind.model)}
        else:
            found[spec.name] = spec.kind
    return found


@cache
def column_kinds(level: Level | None) -> dict[str, ColumnKind]:
    """Flat column → how its cells become values, over all grades of a level (None: of every level)."""
    found: dict[str, ColumnKind] = dict.fromkeys(HEADER_FACTS, ColumnKind.TEXT) | {
        "grade": ColumnKind.INTEGER
    }
    for each in [level] if level else list(Level):
        for grade in level_info(each).grades:
            found |= columns(each, grade)
    return found


@lru_cache(maxsize=10_000)
def recognise(label: str, level: Level | None) -> Column | None:
    """The column behind a head; None when it is not known. ``level`` decides between subjects of the same
    name.
    """
    stripped = label.strip()
    known = column_kinds(level)
    if stripped.lower() == "issuer":
        return Column("ma_truong")
    for field in known:
        if stripped.lower() == field.lower():
            return Column(field)
    wanted = key(stripped)
    if not wanted:
        return None
    exact, bare = _heads(level)
    found = exact.get(wanted) or _subject_column(stripped, wanted, level)
    return found or (bare.get(_bare(wanted)) if wanted == _bare(wanted) else None)


def suggestion(label: str, level: Level | None) -> str:
    """The nearest known head, for "did you mean"; empty when nothing is near."""
    exact, _ = _heads(level)
    near = difflib.get_close_matches(key(label), exact, n=1, cutoff=0.75)
    return label_of(exact[near[0]].field, level) if near and exact[near[0]].field else ""


def label_of(field: str, level: Level | None) -> str:
    """The head of our template for a field."""
    if field in LABELS:
        return LABELS[field][0]
    head, code, *part = field.split(".")
    if head == "mon":
        return f"{_subject(code, level).name} {_PARTS[part[0]][0]}"
    quality = next(q for q in QUALITIES if q.field == field)
    return f"{'Phẩm chất' if head == 'pham_chat' else 'Năng lực'}: {quality.name}"


def _subject(code: str, level: Level | None) -> Subject:
    levels = [level] if level else list(Level)
    return next(s for each in levels for s in level_info(each).subjects if s.code == code)


@cache
def _subjects(level: Level | None) -> tuple[Subject, ...]:
    """Subjects of a level; of all levels one for each code."""
    found: dict[str, Subject] = {}
    for each in [level] if level else list(Level):
        for subject in level_info(each).subjects:
            found.setdefault(subject.code, subject)
    return tuple(found.values())


@cache
def _heads(level: Level | None) -> tuple[dict[str, Column], dict[str, Column]]:
    """Key of a head → column; the same without marks, where that stays unambiguous."""
    exact: dict[str, Column] = {}
    bare: dict[str, Column | None] = {}
    entries = [(label, IGNORED_COLUMN) for label in IGNORED]
    known = column_kinds(level)
    entries += [
        (label, Column(field)) for field, labels in LABELS.items() if field in known for label in labels
    ]
    if "pham_chat.YEU_NUOC" in known:
        subject_names = {key(s.name) for s in _subjects(level)} | {
            key(name) for names in _SUBJECT_NAMES.values() for name in names
        }
        for quality in QUALITIES:
            group = "Phẩm chất" if quality.group == "pham_chat" else "Năng lực"
            groups = (group, "Năng lực chung", "Năng lực đặc thù", "Phẩm chất chủ yếu", "Năng lực cốt lõi")
            names = [f"{g} {quality.name}" for g in groups]
            if key(quality.name) not in subject_names:
                names.append(quality.name)
            entries += [(name, Column(quality.field)) for name in names]
    for subject in _subjects(level):
        for name in (subject.name, *subject.spelling_variants, *_SUBJECT_NAMES.get(subject.code, ())):
            for part, labels in _PARTS.items():
                field = f"mon.{subject.code}.{part}"
                if field in known:
                    own_name = _named_by(subject, name)
                    entries += [(f"{name} {label}", Column(field, own_name)) for label in labels]
    for label, column in entries:
        exact.setdefault(key(label), column)
        plain = _bare(key(label))
        bare[plain] = column if bare.get(plain, column) == column else None
    return exact, {k: v for k, v in bare.items() if v is not None}


def _named_by(subject: Subject, name: str) -> str | None:
    language = _LANGUAGES.get(name.lower())
    return f"{subject.name} ({language})" if language and subject.free_text_suffix else None


def _subject_column(label: str, wanted: str, level: Level | None) -> Column | None:
    """Heads with a word before the subject ("Môn Toán HK1", "Điểm Toán HK1") or a language after it."""
    exact, _ = _heads(level)
    for noise in ("môn học", "môn", "điểm môn", "điểm", "đtb môn", "đtb"):
        if wanted.startswith(key(noise) + " "):
            found = exact.get(wanted[len(key(noise)) + 1 :])
            if found and found.field.startswith("mon."):
                return found
    for subject in _subjects(level):
        start = key(subject.name) + " "
        if not subject.free_text_suffix or not wanted.startswith(start):
            continue
        for part, labels in _PARTS.items():
            for ending in labels:
                language = re.search(
                    r"[(:\-–]\s*([^\W\d_][^()]*?)\s*\)?\s*[-–:]?\s*" + re.escape(ending) + r"\s*$", label
                )
                field = f"mon.{subject.code}.{part}"
                if language and wanted.endswith(" " + key(ending)) and field in column_kinds(level):
                    return Column(field, f"{subject.name} ({language[1].strip()})")
    return None
