"""Invented input records of every level, complete and without contradictions, for tests to copy and spoil."""

from __future__ import annotations

from typing import Any

from verifier.record import QUALITIES, Assessment, Level, level_info, outcome_phrases, subjects

PERSON: dict[str, Any] = {
    "ma_truong": "01000123",
    "ma_hoc_sinh": "0100000001",
    "ho_va_ten": "Nguyễn Thị Hường",
    "gioi_tinh": "Nữ",
    "dan_toc": "Kinh",
    "quoc_tich": "Việt Nam",
    "doi_tuong": "Con thương binh",
    "so_dinh_danh_ca_nhan": "001315000001",
    "noi_sinh": "Xã Phúc Lộc, Hà Nội",
    "que_quan": "Xã Phúc Lộc, Hà Nội",
    "noi_o_hien_tai": "Thôn 3, xã Phúc Lộc, Hà Nội",
    "cha_ho_ten": "Nguyễn Văn Đạt",
    "cha_nghe_nghiep": "Nông dân",
    "me_ho_ten": "H'Nga Niê",
    "me_nghe_nghiep": "Giáo viên",
    "nguoi_giam_ho_ho_ten": "Nguyễn Văn Bảo",
    "nguoi_giam_ho_nghe_nghiep": "Hưu trí",
    "xa_phuong": "Xã Phúc Lộc",
    "xa_phuong_ma": "09715",
    "tinh_thanh": "Thành phố Hà Nội",
    "tinh_thanh_ma": "01",
    "qua_trinh_hoc_tap": [
        {"nam_hoc": "2024-2025", "lop": "A", "truong": "Trường Phúc Lộc", "tinh": "Hà Nội"},
    ],
    "nguoi_ky": "Trần Văn Minh",
    "ngay_ky_phat_hanh": "31/05/2026",
}


def sample(level: Level | str, grade: int) -> dict[str, Any]:
    """A fresh record of this level and grade for 2025-2026, every field of the form filled in."""
    info = level_info(level)
    data: dict[str, Any] = {
        "level": info.level.value,
        "scheme": info.scheme.value,
        "grade": grade,
        "year": "2025-2026",
        **PERSON,
        "qua_trinh_hoc_tap": [dict(step) for step in PERSON["qua_trinh_hoc_tap"]],
        "ngay_sinh": f"0{grade % 9 + 1}/09/{2025 - grade - 5}",
        "truong": f"Trường {info.name} Phúc Lộc",
        "lop": f"{grade}A1",
        "chuc_vu": f"Phó {info.head_title}",
    }
    return data | (_primary(grade) if info.level is Level.TIEU_HOC else _secondary(info.level, grade))


def _primary(grade: int) -> dict[str, Any]:
    data: dict[str, Any] = {
        "chieu_cao": "132.5",
        "can_nang": "28",
        "nghi_co_phep": 2,
        "nghi_khong_phep": 0,
        "ket_qua_giao_duc": "Hoàn thành xuất sắc",
        "khen_thuong": "Học sinh Xuất sắc",
        "hoan_thanh": outcome_phrases(Level.TIEU_HOC, grade, "hoan_thanh")[0][0],
    }
    for subject in subjects(Level.TIEU_HOC, grade):
        row = {"ten": subject.name, "muc_dat_duoc": "T", "nhan_xet": "Em học tốt."}
        if subject.assessment is Assessment.LEVEL_AND_SCORE:
            row["diem_ktdk"] = "9"
        data[subject.field] = row
    return data | {quality.field: "T" for quality in QUALITIES}


def _secondary(level: Level, grade: int) -> dict[str, Any]:
    info = level_info(level)
    data: dict[str, Any] = {
        "so_so_dang_bo": "12/THCS",
        "kq_ren_luyen_hk1": "Khá",
        "kq_ren_luyen_hk2": "Tốt",
        "kq_ren_luyen_ca_nam": "Tốt",
        "kq_hoc_tap_hk1": "Tốt",
        "kq_hoc_tap_hk2": "Tốt",
        "kq_hoc_tap_ca_nam": "Tốt",
        "tong_so_buoi_nghi": 3,
        "chung_chi": [{"ten": "Tin học ứng dụng", "loai": "Khá"}],
        "ket_qua_cuoc_thi": "Giải Ba học sinh giỏi cấp tỉnh môn Toán",
        "khen_thuong": info.awards[1],
        "nhan_xet_gvcn": "Chăm ngoan, học đều các môn.",
        "phe_duyet_hieu_truong": "Đồng ý.",
    }
    if grade == info.grades[-1]:
        data["hoan_thanh_ct"] = outcome_phrases(level, grade, "hoan_thanh_ct")[0][0]
    else:
        data["ket_qua_len_lop"] = "Được lên lớp"
    chosen = 0
    for subject in subjects(level, grade):
        if subject.kind == "elective":
            chosen += 1
            if chosen > info.electives_to_choose:
                continue
        if subject.assessment is Assessment.SCORE:
            marks = {"hk1": "8.0", "hk2": "8.3", "ca_nam": "8.2"}
        else:
            marks = {"hk1": "Đạt", "hk2": "Đạt", "ca_nam": "Đạt"}
        data[subject.field] = {"ten": subject.name, **marks, "nhan_xet": "Nắm vững kiến thức."}
    return data
