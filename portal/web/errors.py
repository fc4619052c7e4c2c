"""Error answers: a page that says what happened and what to do, or problem+json (RFC 9457).

A fault of ours is a bare 500 with a request id; its cause goes to the log under that id and nowhere else.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Final

from flask import Flask, Response, current_app, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from portal.web import journal
from portal.web.i18n import duration, gettext, language, marked, this_page
from portal.web.pages import Pages
from portal.web.requests import Rejection, wants_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Text:
    title: str
    sentence: str
    next_step: str


_AGAIN: Final = marked("Hãy thử lại sau %(wait)s; cổng không giữ những gì bạn đã gửi.")
_TEXTS: Final = {
    400: _Text(
        marked("Không đọc được yêu cầu"),
        marked("Yêu cầu gửi tới không đầy đủ hoặc có quá nhiều phần."),
        marked("Quay lại trang chủ và thử lại từ đầu."),
    ),
    401: _Text(
        marked("Bạn chưa đăng nhập, hoặc phiên đăng nhập đã hết"),
        marked("Việc bạn vừa gửi chưa được làm."),
        marked("Hãy đăng nhập rồi làm lại."),
    ),
    403: _Text(
        marked("Việc này chưa được làm"),
        marked("Vai trò bạn đang dùng không làm được việc này."),
        marked("Nếu bạn có vai trò khác, hãy đổi vai trò ở trang tài khoản của bạn."),
    ),
    404: _Text(
        marked("Không có trang này"),
        marked("Nếu bạn gõ địa chỉ, hãy kiểm tra lại. Nếu bạn dán địa chỉ, hãy dán đủ cả dòng."),
        marked("Bạn có thể tra cứu học bạ từ trang chủ."),
    ),
    405: _Text(
        marked("Trang này không mở trực tiếp được"),
        marked("Địa chỉ này chỉ nhận biểu mẫu gửi từ trang khác."),
        marked("Bạn có thể bắt đầu lại từ trang chủ."),
    ),
    413: _Text(
        marked("Nội dung gửi quá lớn"),
        marked("Tệp phải nhỏ hơn %(limit)s MB. Học bạ do trường cấp nhỏ hơn nhiều."),
        marked("Chọn đúng tệp học bạ, hoặc chụp ảnh mã QR ở cỡ nhỏ hơn."),
    ),
    415: _Text(
        marked("Cách gửi này không được nhận"),
        marked("Địa chỉ này chỉ nhận biểu mẫu dạng multipart/form-data."),
        marked("Với curl, dùng -F thay cho -d."),
    ),
    422: _Text(
        marked("Thiếu thông tin để kiểm tra"),
        marked("Yêu cầu chưa có đủ những gì cần để kiểm tra."),
        marked("Bổ sung thông tin rồi gửi lại."),
    ),
    429: _Text(
        marked("Có quá nhiều yêu cầu cùng lúc"),
        marked("Từ mạng của bạn vừa có quá nhiều yêu cầu; điều này không nói gì về học bạ."),
        _AGAIN,
    ),
    500: _Text(
        marked("Cổng đang gặp trục trặc"),
        marked("Lỗi ở phía cổng, không phải ở bạn; điều này không nói gì về học bạ."),
        marked("Hãy thử lại sau ít phút. Nếu cần báo lỗi, hãy nêu mã: %(request_id)s"),
    ),
}
_OTHER: Final = _TEXTS[400]
#: Endpoints that everybody sends a file, a photo or a typed code to.
_TAKES_PHOTOS: Final = frozenset(
    {"doors.check", "uploads.data", "piles.check_pile", "lookup.typed", "lookup.compare"}
)
#: Seconds after which a database that kept us waiting is worth another try.
_WAIT: Final = 10

#: Refusals that have words of their own, by their code.
_REFUSALS: Final = {
    "no_such_result": _Text(
        marked("Không có kết quả mang số này"),
        marked(
            "Số có thể đã gõ nhầm hoặc dán thiếu, hoặc kết quả không còn được giữ; điều này không nói gì về "
            "học bạ."
        ),
        marked("So lại từng ký tự của số, hoặc kiểm tra lại học bạ từ trang chủ."),
    ),
    "result_unreadable": _Text(
        marked("Kết quả này không đọc được"),
        marked(
            "Cổng đã giữ kết quả mang số này, nhưng nay không đọc được nó. Lỗi ở phía cổng; điều này không "
            "nói gì về học bạ."
        ),
        marked("Hãy kiểm tra lại chính tệp hoặc tờ giấy từ trang chủ."),
    ),
    "too_many_tries": _Text(
        marked("Mã này đang tạm dừng ít phút"),
        marked(
            "Mã vừa được thử sai nhiều lần, không nhất thiết là do bạn, nên cổng tạm dừng để bảo vệ học sinh."
        ),
        marked("Hãy thử lại sau %(wait)s. Quét mã QR và kiểm tra tệp PDF vẫn dùng được."),
    ),
    # Of the next two a share is everybody's, so they do not say whose fault it was.
    "too_many_misses": _Text(
        marked("Có quá nhiều mã không tìm thấy"),
        marked(
            "Từ mạng của bạn, hoặc từ nhiều nơi cùng lúc, vừa có nhiều mã không khớp với học bạ nào, nên "
            "cổng tạm dừng tra cứu."
        ),
        marked("Hãy thử lại sau %(wait)s, hoặc bằng mạng khác. Kiểm tra tệp PDF của học bạ vẫn dùng được."),
    ),
    "too_many_wrong_tries": _Text(
        marked("Có quá nhiều lần nhập không khớp"),
        marked(
            "Từ mạng của bạn, hoặc từ nhiều nơi cùng lúc, vừa có nhiều lần nhập không khớp, nên cổng tạm "
            "dừng để bảo vệ học sinh."
        ),
        marked("Hãy thử lại sau %(wait)s. Quét mã QR và kiểm tra tệp PDF vẫn dùng được."),
    ),
    "too_many_wrong_sign_ins": _Text(
        marked("Có quá nhiều lần đăng nhập hoặc nhập mã không đúng"),
        marked("Từ mạng của bạn, hoặc từ nhiều nơi cùng lúc, vừa có nhiều lần nhập không đúng."),
        marked("Hãy thử lại sau %(wait)s. Kiểm tra học bạ vẫn dùng được."),
    ),
    "link_disputed": _Text(
        marked("Nhà trường đang xác minh quyền đại diện"),
        marked(
            "Nhà trường đang xem xét liên kết của bạn với học sinh này. Trong lúc đó bạn không xem "
            "được gì và không đồng ý cho ai xem được; những gì bạn đã đồng ý cũng tạm dừng."
        ),
        marked("Hãy hỏi nhà trường."),
    ),
    "link_overruled": _Text(
        marked("Liên kết này không còn dùng được"),
        marked(
            "Trường học sinh học sau này đã kết thúc liên kết của bạn với học sinh, nên liên kết ở trường cũ "
            "không còn cho xem, đồng ý hay chia sẻ gì; những gì bạn đã đồng ý cũng tạm dừng."
        ),
        marked("Nếu bạn thấy không đúng, hãy hỏi trường học sinh đang học."),
    ),
    "disputed": _Text(
        marked("Nhà trường đang xác minh quyền đại diện"),
        marked(
            "Ai được đại diện cho học sinh đang được nhà trường xác minh, nên chưa thể cho ai xem học bạ."
        ),
        marked("Hãy hỏi nhà trường."),
    ),
    "not_entitled": _Text(
        marked("Việc này do người khác quyết định"),
        marked("Theo tuổi của học sinh hôm nay, tài khoản này không được quyết định việc cho xem học bạ."),
        marked("Nếu bạn thấy không đúng, hãy hỏi nhà trường."),
    ),
    "strange_form": _Text(
        marked("Biểu mẫu này đã cũ"),
        marked("Trang đã mở quá lâu, hoặc biểu mẫu không được gửi từ trang của cổng; chưa có gì được làm."),
        marked("Mở lại trang rồi làm lại."),
    ),
    "passkey_missing": _Text(
        marked("Cần xác nhận bằng khoá truy cập"),
        marked("Việc này phải được chính bạn xác nhận bằng khoá truy cập (passkey), mỗi lần làm."),
        marked("Quay lại trang trước và bấm nút xác nhận; trình duyệt phải bật JavaScript."),
    ),
    "passkey_wrong": _Text(
        marked("Chưa xác nhận được bằng khoá truy cập"),
        marked(
            "Khoá không đúng, đã quá 5 phút, hoặc biểu mẫu đã khác lúc bạn xác nhận; chưa có gì được làm."
        ),
        marked("Quay lại trang trước và làm lại."),
    ),
    "too_many_uploads": _Text(
        marked("Có quá nhiều tệp chưa xác nhận được"),
        marked(
            "Từ mạng của bạn vừa có nhiều tệp hoặc ảnh mà cổng chưa xác nhận được, nên cổng tạm dừng nhận "
            "tệp và ảnh như vậy; điều này không nói gì về học bạ."
        ),
        marked("Hãy thử lại sau %(wait)s. Tệp đúng bản trường cấp vẫn kiểm tra được, mã QR vẫn quét được."),
    ),
    "too_many_at_once": _Text(
        marked("Đang có nhiều tệp được gửi từ mạng của bạn"),
        marked("Cổng chỉ nhận và kiểm tra vài tệp một lúc từ mỗi mạng; điều này không nói gì về học bạ."),
        _AGAIN,
    ),
    "busy": _Text(
        marked("Cổng đang bận"),
        marked("Đang có nhiều tệp chờ kiểm tra; điều này không nói gì về học bạ. Quét mã QR vẫn dùng được."),
        _AGAIN,
    ),
    "not_fetched": _Text(
        marked("Chưa lấy được nội dung"),
        marked(
            "Lúc này cổng chưa lấy được nội dung học bạ. Lỗi ở phía cổng, không nói gì về học bạ; chưa có "
            "lần xem nào bị tính."
        ),
        _AGAIN,
    ),
    "too_large_inside": _Text(
        marked("Nội dung gửi quá lớn"),
        marked("Tệp phải nhỏ hơn %(limit)s MB."),
        marked("Quay lại trang trước, chọn đúng tệp rồi gửi lại."),
    ),
    "database": _Text(
        marked("Cổng đang bận"),
        marked("Cổng chưa làm được việc này vì đang bận; chưa có gì thay đổi."),
        _AGAIN,
    ),
}


def install(app: Flask) -> None:
    """Answer every error in one of the two shapes."""
    app.register_error_handler(OperationalError, _waited)
    app.register_error_handler(PoolTimeout, _waited)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Rejection, rejected)
    app.register_error_handler(Exception, _fault)


def rejected(rejection: Rejection) -> Response:
    """The answer to a request that is no check at all."""
    errors = [{"field": m.field, "detail": gettext(m.message, **m.values)} for m in rejection.mistakes]
    response = _answer(rejection.status, rejection.code, errors=errors, retry_after=rejection.retry_after)
    if rejection.retry_after is not None:
        response.headers["Retry-After"] = str(rejection.retry_after)
    return response


def said(status: int, code: str, *, retry_after: int = 60, request_id: str = "") -> tuple[str, str, str]:
    """Title, sentence and next step of an error answer in the language of this request."""
    text = _REFUSALS.get(code) or _TEXTS.get(status, _OTHER if status < 500 else _TEXTS[500])
    values = {
        "limit": current_app.config["MAX_FILE_BYTES"] // (1024 * 1024),
        "wait": duration(retry_after),
        "request_id": request_id,
    }
    return (
        gettext(text.title) % values,
        gettext(text.sentence) % values,
        gettext(text.next_step) % values,
    )


def _http(error: HTTPException) -> Response:
    status, code = error.code or 500, error.name.lower().replace(" ", "_")
    if status == 413 and request.endpoint not in _TAKES_PHOTOS:
        code = "too_large_inside"
    response = _answer(status, code)
    if status == 405:
        response.headers["Allow"] = dict(error.get_headers()).get("Allow", "")
    return response


def _waited(error: Exception) -> Response:
    """The database did not answer in time, or somebody else held what was to be written: rolled back."""
    log.error("database %s", journal.request_id(), exc_info=error)
    return rejected(Rejection(503, "database", retry_after=_WAIT))


def _fault(error: Exception) -> Response:
    request_id = journal.request_id()
    log.error("fault %s", request_id, exc_info=error)
    return _answer(500, "fault", request_id=request_id)


def _answer(
    status: int,
    code: str,
    *,
    errors: list[dict[str, str]] | None = None,
    retry_after: int | None = None,
    request_id: str = "",
) -> Response:
    title, sentence, next_step = said(status, code, retry_after=retry_after or 60, request_id=request_id)
    if wants_json():
        problem: dict[str, object] = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": f"{sentence} {next_step}",
            "code": code,
        }
        if errors:
            problem["errors"] = errors
        if retry_after is not None:
            problem["retry_after"] = retry_after
        if request_id:
            problem["request_id"] = request_id
        return Response(
            json.dumps(problem, ensure_ascii=False), status, content_type="application/problem+json"
        )
    pages: Pages = current_app.extensions["pages"]
    context = {"title": title, "sentence": sentence, "next_step": next_step, "errors": errors or []}
    # Not every address that takes a form has a page of its own.
    here = this_page() if request.method in ("GET", "HEAD") else "/"
    return pages.page("error.html", language(), {**context, "here": here}, status)
