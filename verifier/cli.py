"""The command line: ``python -m verifier check | inspect | report | record | locator | audit``.

``check`` gives the portal's answer without the portal: the same examination in a restricted child, the same
fold, the same words, from an offline bundle. What it cannot know it says.

Exit codes: 0 these very bytes are the current version as issued; 1 anything else about the document; 2 the
check could not be completed; 64 the command was not used properly.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from verifier import audit, words
from verifier.bundle import Bundle, read_bundle
from verifier.check import Known
from verifier.errors import InvalidInput, Problem
from verifier.locator import Hosts, digest_text, group, read_typed, short_digest
from verifier.pades import Beginning, read_attached
from verifier.policy import DEFAULT
from verifier.record import digest, json_schema, open_disclosures, read_attachment
from verifier.report import (
    CheckName,
    CheckStatus,
    Revision,
    SignatureReport,
    TimestampReport,
    ValidationReport,
    jsonable,
    printable,
)
from verifier.sandbox import CheckJob, ForkServer
from verifier.schema import report_schema
from verifier.trust import TrustStore
from verifier.verdict import Outcome, Verdict, decide

GENUINE, OTHER, UNFINISHED, USAGE = 0, 1, 2, 64
DEFAULT_MAX_AGE_HOURS = 24.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code."""
    if isinstance(
        sys.stdout, io.TextIOWrapper
    ):  # a terminal that cannot write Vietnamese still gets an answer
        sys.stdout.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()  # a full disk shows here, not after the exit code is decided
        return code
    except InvalidInput as refusal:
        for problem in refusal.problems:
            _error(f"{problem.where}: {problem.message}")
        _hint(options.hint)
        return int(options.on_refusal)
    except BrokenPipeError:  # whoever read our output has seen enough
        return UNFINISHED
    except OSError as error:
        if error.filename is None:
            _error(f"Không ghi được kết quả: {error.strerror or error}.")
            _drop_output()
            return UNFINISHED
        _error(f"Không đọc được {error.filename}: {error.strerror}.")
        _hint("Kiểm tra lại đường dẫn và quyền đọc tệp.")
        return USAGE
    except Exception as error:
        _error(f"Lỗi ngoài dự kiến, chưa kiểm tra được: {type(error).__name__}: {str(error)[:120]}")
        return UNFINISHED


def _drop_output() -> None:
    """What could not be written must not be tried again at exit: that would change the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """argparse would exit with 2, which here means that a check was not completed."""

    def error(self, message: str) -> NoReturn:
        _error(message)
        _hint(f"Xem cách dùng: {self.prog} --help")
        raise SystemExit(USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m verifier", description="Kiểm tra học bạ số ngoại tuyến.")
    commands = parser.add_subparsers(metavar="LỆNH", required=True, parser_class=_Parser)

    check = commands.add_parser(
        "check",
        help="tệp này có đúng bản trường cấp, đang lưu hành không",
        epilog="Mã thoát: 0 đúng bản đang lưu hành; 1 không phải; 2 chưa kiểm tra được; 64 dùng lệnh sai.",
    )
    check.add_argument("file", type=Path, metavar="FILE", help="PDF hoặc ảnh có mã QR")
    check.add_argument("--trust", type=Path, required=True, metavar="BUNDLE", help="gói tin cậy ngoại tuyến")
    check.add_argument(
        "--max-age",
        type=_hours,
        default=_hours(str(DEFAULT_MAX_AGE_HOURS)),
        metavar="H",
        help="sổ đăng ký trong gói được cũ nhất bao nhiêu giờ (mặc định 24)",
    )
    check.add_argument("--json", action="store_true", help="in JSON cho chương trình đọc")
    check.add_argument("--lang", choices=words.LANGUAGES, default="vi", help="ngôn ngữ của câu trả lời")
    check.set_defaults(run=_check, on_refusal=UNFINISHED, hint="Xin cổng cấp một gói tin cậy mới.")

    inspect = commands.add_parser("inspect", help="các chữ ký trong tệp, chưa xét đến tin cậy")
    inspect.add_argument("file", type=Path, metavar="FILE")
    inspect.add_argument("--json", action="store_true", help="in JSON cho chương trình đọc")
    inspect.set_defaults(run=_inspect)

    report = commands.add_parser("report", help="in JSON Schema của báo cáo kiểm tra")
    report.add_argument(
        "--schema", action="store_true", required=True, help="in JSON Schema của báo cáo như cổng lưu giữ"
    )
    report.set_defaults(run=_report)

    record = commands.add_parser("record", help="dữ liệu học bạ đính kèm, đã đối chiếu với mã băm")
    source = record.add_mutually_exclusive_group(required=True)
    source.add_argument("file", type=Path, nargs="?", metavar="FILE", help="PDF học bạ hoặc tệp hoc-ba.json")
    source.add_argument("--schema", action="store_true", help="in JSON Schema của dữ liệu học bạ đầu vào")
    record.set_defaults(run=_record, on_refusal=OTHER, hint="Dùng đúng tệp PDF gốc do trường cấp.")

    locator = commands.add_parser("locator", help="đọc mã tra cứu, liên kết hoặc nội dung mã QR")
    locator.add_argument("text", metavar="TEXT")
    locator.set_defaults(run=_locator, on_refusal=OTHER, hint="Mã in cạnh mã QR, trên mọi trang học bạ.")

    trail = commands.add_parser(
        "audit",
        help="bản xuất của nhật ký kiểm toán có bị sửa, xóa, chèn, đổi chỗ hay cắt không",
        epilog="Mã thoát: 0 nguyên vẹn đến điểm kiểm; 1 sai, nêu mục sai đầu tiên; 2 chưa kết luận được; "
        "64 dùng lệnh sai.",
    )
    trail.add_argument("export", type=Path, metavar="EXPORT", help="tệp của flask --app wsgi audit export")
    trail.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="CHECKPOINT",
        help="điểm kiểm giữ ở nơi khác; lặp lại được",
    )
    trail.add_argument("--key", metavar="KEY", help="khóa công khai mà mọi điểm kiểm phải được ký bằng")
    trail.add_argument(
        "--from", type=_position, default=1, dest="first", metavar="N", help="bản xuất bắt đầu từ mục N"
    )
    trail.add_argument("--json", action="store_true", help="in JSON cho chương trình đọc")
    trail.set_defaults(run=_audit, on_refusal=USAGE, hint="Xem docs/audit.md.")
    return parser


def _position(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("số thứ tự bắt đầu từ 1")
    return number


def _hours(text: str) -> timedelta:
    hours = float(text)
    if not 0 <= hours <= 24 * 366:
        raise argparse.ArgumentTypeError("số giờ phải từ 0 đến 8784")
    return timedelta(hours=hours)


def _check(options: argparse.Namespace) -> int:
    # 1 Read what we rely on, then the document, no more of it than may be examined.
    bundle = read_bundle(options.trust)
    data = _read(options.file)
    now = datetime.now(UTC)

    # 2 Examine it in a restricted child.
    report = _examine(data, options.trust, now, bundle)

    # 3 Fold it with the registry's facts, and say it.
    verdict = decide(report, bundle.facts_for(report, max_age=options.max_age))
    if options.json:
        _print_json(_as_json(verdict, report, bundle, options.lang))
    else:
        _print_lines(_as_text(verdict, report, bundle, options.lang))
    if verdict.outcome is Outcome.CHECK_INCOMPLETE:
        return UNFINISHED
    return GENUINE if verdict.green else OTHER


def _examine(data: bytes, trust: Path, now: datetime, bundle: Bundle | None) -> ValidationReport:
    row = None if bundle is None else bundle.file(hashlib.sha256(data).hexdigest())
    known = None
    if bundle is not None and row is not None:
        earlier = (Beginning(e.size, e.sha256, e.registered_at) for e in bundle.earlier(row))
        known = Known(row.registered_at, earlier=tuple(earlier))
    server = ForkServer()
    try:
        return server.check(CheckJob(data, trust, now, known))
    finally:
        server.close()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(DEFAULT.limits.size + 1)


def _as_json(
    verdict: Verdict, report: ValidationReport, bundle: Bundle, language: words.Language
) -> dict[str, Any]:
    """The keys of the portal's own JSON answer, without what only the registry's database knows, and how old
    the facts are: when the bundle was made, and when the portal last checked the named version's file.
    """
    version = verdict.version
    whole = report.to_json()
    return {
        "verdict": verdict.outcome.value,
        "evidence": verdict.evidence.value,
        "reasons": list(verdict.reasons),
        "record": None
        if version is None
        else {
            "record_id": version.record_id,
            "version": version.version,
            "state": version.state.value,
            "since": jsonable(version.since),
            "recall_reason": version.recall_reason,
        },
        "signatures": whole["signatures"],
        "timestamps": whole["timestamps"],
        "checks": whole["checks"],
        "revisions": whole["revisions"],
        "document": {
            key: whole[key]
            for key in ("medium", "size", "sha256", "pages", "problem", "unsigned_fields", "lenient")
        },
        "words": words.spoken(words.say(verdict, language), verdict, report, language),
        "bundle": {
            "as_of": jsonable(bundle.as_of),
            "trust_epoch": bundle.trust.epoch,
            "checked_at": None if version is None else jsonable(version.checked_at),
        },
        "at": whole["at"],
    }


def _as_text(
    verdict: Verdict, report: ValidationReport, bundle: Bundle, language: words.Language
) -> Iterator[str]:
    said = words.say(verdict, language)
    yield said.headline
    yield ""
    yield said.sentence
    yield said.next_step
    yield from said.further
    yield ""
    yield words.evidence_sentence(verdict, report, language)
    for finding in words.findings(verdict, report, language):
        yield f"  {words.check_status(finding.status, language)}: {finding.sentence}"
    for signature in report.signatures:
        yield from _signature_lines(signature, language)
    for stamp in report.timestamps:
        yield from _timestamp_lines(stamp, language)
    for revision in report.revisions:
        yield from _revision_lines(revision, language)
    yield f"{verdict.outcome} · {verdict.evidence} · SHA-256 {report.sha256 or '-'}"
    checked = None if verdict.version is None else verdict.version.checked_at
    told = "" if checked is None else f" · checked {checked.isoformat()}"
    yield f"registry {bundle.as_of.isoformat()} · trust epoch {bundle.trust.epoch}{told}"


def _signature_lines(signature: SignatureReport, language: words.Language) -> Iterator[str]:
    """One signature: its role and, where something did not pass, what."""
    name = signature.field if signature.role is None else words.role_name(signature.role, language)
    subject = f" {signature.subject_code}" if signature.subject_code else ""
    open_checks = [c for c in signature.checks if c.status is not CheckStatus.PASSED]
    yield f"  {name}{subject}: {signature.indication}"
    if signature.proven_time is not None:
        yield f"    {words.proven_by(signature.proven_by, language)}: {signature.proven_time.isoformat()}"
    for check in open_checks:
        yield f"    {words.check_sentence(check, language)} [{check.code}]"
    if signature.opinions:
        yield "    " + " · ".join(words.opinion_words(o, language) for o in signature.opinions)


def _timestamp_lines(stamp: TimestampReport, language: words.Language) -> Iterator[str]:
    """One timestamp: of what, the time it gives, and what speaks against it."""
    time = "-" if stamp.time is None else stamp.time.isoformat()
    yield f"  {words.timestamp_name(stamp.kind, language)} {stamp.field}: {time} {stamp.indication}"
    for check in stamp.checks:
        if check.status is not CheckStatus.PASSED:
            yield f"    {words.check_name(check.name, language)} [{check.code}]"
    if stamp.opinions:
        yield "    " + " · ".join(words.opinion_words(o, language) for o in stamp.opinions)


def _revision_lines(revision: Revision, language: words.Language) -> Iterator[str]:
    """One revision after the first: where it lies, what it changed, and whether it may."""
    yield f"  {words.revision_sentence(revision, language)}"
    for change in revision.changes:
        yield f"    {words.change_sentence(change, language)} [{change.kind}]"
    if revision.more:
        yield f"    {words.unlisted(revision.more, language)}"


# What can be said about a signature without trusting anybody.
_WITHOUT_TRUST = (CheckName.INTEGRITY, CheckName.BYTE_RANGE, CheckName.COVERAGE, CheckName.ALGORITHM)


def _inspect(options: argparse.Namespace) -> int:
    data = _read(options.file)
    nobody = TrustStore(epoch=0, anchors=(), intermediates=(), signers=(), crls=())
    with tempfile.NamedTemporaryFile("w", suffix=".json") as store:
        json.dump(nobody.to_json(), store)
        store.flush()
        report = _examine(data, Path(store.name), datetime.now(UTC), None)
    signatures = [
        {
            "field": s.field,
            "role": s.role,
            "subject_code": s.subject_code,
            "signer": None if s.signer is None else s.signer.subject,
            "issuer": None if s.signer is None else s.signer.issuer,
            "claimed_time": jsonable(s.claimed_time),
            "digest": s.digest_algorithm,
            "checks": {c.name.value: c.code or c.status.value for c in s.checks if c.name in _WITHOUT_TRUST},
        }
        for s in report.signatures
    ]
    if options.json:
        _print_json(
            {
                "document": {
                    "medium": report.medium,
                    "pages": report.pages,
                    "problem": report.problem,
                    "lenient": report.lenient,
                },
                "incomplete": report.incomplete,
                "signatures": signatures,
                "revisions": report.to_json()["revisions"],
                "unsigned_fields": list(report.unsigned_fields),
                "codes": list(report.codes),
                "record_id": report.attached_record_id,
            }
        )
    else:
        _print_lines(_inspection(report, signatures))
    if report.incomplete:
        return UNFINISHED
    return GENUINE if report.problem is None else OTHER


def _inspection(report: ValidationReport, signatures: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield f"{report.medium} · {report.size} byte · {report.pages} trang · SHA-256 {report.sha256}"
    if report.problem or report.incomplete:
        yield f"problem: {report.problem or report.incomplete}"
    if report.lenient:
        yield words.lenient_sentence("vi")
    for signature in signatures:
        yield f"{signature['field']}: {signature['signer']}"
        yield f"  issuer {signature['issuer']}"
        yield f"  claimed {signature['claimed_time']} · digest {signature['digest']}"
        yield "  " + " · ".join(f"{name} {result}" for name, result in signature["checks"].items())
    for name in report.unsigned_fields:
        yield f"{name}: (chưa ký)"
    for revision in report.revisions:
        yield from _revision_lines(revision, "vi")
    for code in report.codes:
        yield f"QR {printable(code)}"
    if report.attached_record_id:
        yield f"record {printable(report.attached_record_id)}"


def _report(_options: argparse.Namespace) -> int:
    _print_json(report_schema())
    return GENUINE


def _record(options: argparse.Namespace) -> int:
    if options.schema:
        _print_json(json_schema())
        return GENUINE
    data = _read(options.file)
    content = read_attached(data, DEFAULT) if b"%PDF-" in data[:1024] else data
    if content is None:
        raise InvalidInput(
            (Problem("file", "no_record", "Tệp không đính kèm dữ liệu học bạ (hoc-ba.json) đọc được."),)
        )
    header, disclosures = read_attachment(content)
    _print_json(
        {
            "digest": digest_text(digest(header)),
            "header": header,
            "fields": open_disclosures(header, disclosures),
        }
    )
    return GENUINE


def _locator(options: argparse.Namespace) -> int:
    """Any host is read, since nothing is trusted for it; the host is printed for the reader to judge."""
    link = re.search(r"https?://[^/?#\s]+", options.text, re.IGNORECASE)
    host = link[0] if link else "https://localhost"
    typed = read_typed(options.text, Hosts(host))
    if link:
        print(f"host    {host}")
    print(f"record  {group(typed.record_id)}")
    if typed.locator is not None:
        print(f"digest  {digest_text(typed.locator.digest)}")
        print(f"short   {short_digest(typed.locator.digest)}")
        print(f"locator {typed.locator}")
    elif typed.short_digest is not None:
        print(f"short   {typed.short_digest}")
    return GENUINE


def _audit(options: argparse.Namespace) -> int:
    # 1 What the copy is held against.
    checkpoints = [audit.read_checkpoint(path.read_bytes(), str(path)) for path in options.checkpoint]
    key = None if options.key is None else audit.read_verifier_key(options.key)

    # 2 The copy, line by line; a line that never ends is not read to its end.
    with options.export.open("rb") as file:
        lines = iter(lambda: file.readline(audit.MAX_LINE + 1), b"")
        found = audit.check_export(lines, checkpoints, first=options.first, key=key)

    # 3 Missing evidence never passes: without a checkpoint, or with signatures that nobody looked at.
    unread = key is None and any(each.signatures for each in checkpoints)
    unfinished = found.fault is None and (found.covered == 0 or unread)
    said = list(_trail_lines(found, unread=unread, signed=key is not None))
    if options.json:
        _print_json(
            {
                "first": found.first,
                "last": found.last,
                "covered": found.covered,
                "digest": found.digest.hex(),
                "fault": None
                if found.fault is None
                else {
                    "number": found.fault.number,
                    "code": found.fault.code,
                    "message": found.fault.message,
                },
                "signatures": "checked" if key is not None else "not_checked" if unread else "none",
                "words": said,
            }
        )
    else:
        _print_lines(iter(said))
    if found.fault is not None:
        return OTHER
    return UNFINISHED if unfinished else GENUINE


def _trail_lines(found: audit.Checked, *, unread: bool, signed: bool) -> Iterator[str]:
    """What the walk found, the worst first."""
    if found.fault is not None:
        yield f"Mục {found.fault.number}: {found.fault.message} [{found.fault.code}]"
        if found.covered:
            yield f"Các mục {found.first}–{found.covered} khớp với điểm kiểm."
        return
    if found.covered:
        yield f"Nhật ký nguyên vẹn từ mục {found.first} đến mục {found.covered}, theo điểm kiểm."
        if unread:
            yield "Chưa kiểm tra chữ ký của điểm kiểm: thêm --key."
        elif not signed:
            yield "Điểm kiểm không có chữ ký: chỉ đáng tin bằng nơi đã giữ nó."
    if found.last > max(found.covered, found.first - 1):
        begin = max(found.covered + 1, found.first)
        yield (
            f"Các mục {begin}–{found.last} nối tiếp đúng, nhưng chưa có điểm kiểm: không loại trừ được việc "
            "chúng bị viết lại, hay các mục sau chúng bị cắt."
        )
    if found.last < found.first:
        yield "Bản xuất không có mục nào: không loại trừ được việc mọi mục đã bị cắt."


def _print_json(value: Any) -> None:
    print(json.dumps(jsonable(value), ensure_ascii=False, indent=1))


def _print_lines(lines: Iterator[str]) -> None:
    for line in lines:
        print(printable(line))


def _error(message: str) -> None:
    print(f"error: {printable(message)}", file=sys.stderr)


def _hint(text: str) -> None:
    print(f"hint: {text}", file=sys.stderr)
