"""``flask --app wsgi trust …``: departments, schools, pinned authorities, signers, CRLs, the offline bundle.

A change and the withdrawal of every standing that rests on it are one transaction; then the files are
validated anew, batch by batch, and until a file's turn its codes answer that they could not be checked.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from hashlib import sha256 as fingerprint
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from portal.audit import service as audit
from portal.audit.service import Action, Object
from portal.commands.console import Day, Moment, Room, actor, fail, read_input, refusals, refuse
from portal.commands.registry import REFRESH, revalidate_all
from portal.commands.trail import told
from portal.decisions import service as decisions
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.fetching import FetchFault, fetch
from portal.issuing import deadlines
from portal.registry import service as registry
from portal.trust import decided
from portal.trust import service as trusted
from portal.trust.checks import CAPACITIES, SECTORS
from portal.trust.service import Change, ContactInput, SchoolInput, SignerInput
from verifier.errors import InvalidInput, Problem
from verifier.record import Level
from verifier.report import Role
from verifier.trust import Approval, Pki, Purpose

#: What these commands would have done, where they are refused.
CHANGE = Action.TRUST_CHANGE

FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)

PURPOSE = click.option(
    "--purpose",
    type=click.Choice(Purpose, case_sensitive=False),
    default=Purpose.SIGNING,
    show_default=True,
    help="Tin để ký (signing) hay để cấp dấu thời gian (timestamping).",
)


def CONTACT(command: Callable[..., None]) -> Callable[..., None]:  # noqa: N802 - stands among decorators
    """How an office is reached, shown to whoever checks its records."""
    for name, said in (("address", "Địa chỉ"), ("email", "E-mail"), ("phone", "Điện thoại")):
        command = click.option(f"--{name}", default="", help=f"{said}, cho người kiểm tra học bạ.")(command)
    return command


trust = Room("trust", help="Ai được ký: sở, trường, tổ chức chứng thực, người ký, danh sách thu hồi.")


@trust.command("add-department")
@click.argument("code")
@click.option("--name", required=True)
@click.option("--province", required=True)
@CONTACT
def add_department(code: str, name: str, province: str, **contact: str) -> None:
    """Thêm một Sở Giáo dục và Đào tạo."""
    now = resources().clock.now()
    asked = audit.named(resources().vault, "department", code)
    with refusals(), told(CHANGE, [asked]), transaction() as session:
        reached = ContactInput(**contact)
        trusted.add_department(session, code, name, province, contact=reached, actor=actor(), now=now)
    click.echo(f"Đã thêm {name} ({code}).")


@trust.command("add-school")
@click.argument("code")
@click.option("--name", required=True)
@click.option("--department", "department_code", required=True, help="Mã sở.")
@click.option("--level", "levels", required=True, multiple=True, help=f"Lặp lại được: {', '.join(Level)}.")
@click.option("--commune", required=True, help="Xã, phường.")
@click.option("--district", default="", help="Quận, huyện (chỉ trước 07/2025).")
@click.option("--province", required=True)
@click.option("--sector", required=True, type=click.Choice(list(SECTORS)))
@click.option("--valid-from", required=True, type=Day())
@click.option("--valid-to", type=Day())
@click.option("--successor", "successor_code", help="Mã trường kế tục.")
@CONTACT
def add_school(phone: str, email: str, address: str, **fields: Any) -> None:
    """Thêm một trường, với tên và thời hạn của tên đó."""
    school = SchoolInput(**fields, contact=ContactInput(phone, email, address))
    now = resources().clock.now()
    with refusals():
        asked = audit.named(resources().vault, "school", school.code)
        with told(CHANGE, [asked]), transaction() as session:
            change = trusted.add_school(session, school, actor=actor(), now=now)
            withdrawn = _withdraw(session, change, now)
        click.echo(f"Đã thêm {school.name} ({school.code}).")
        _settle(withdrawn, now)


@trust.command("set-contact")
@click.argument("code")
@CONTACT
def set_contact(code: str, **contact: str) -> None:
    """Đặt cách liên hệ của một trường hoặc một sở, cho người kiểm tra học bạ; phần bỏ trống sẽ bị xoá."""
    now = resources().clock.now()
    asked = audit.named(resources().vault, "school", code)
    with refusals(), told(CHANGE, [asked]), transaction() as session:
        name = trusted.set_contact(session, code, ContactInput(**contact), actor=actor(), now=now)
    click.echo(f"Đã đặt cách liên hệ của {name} ({code}).")


@trust.command("close-school")
@click.argument("code")
@click.option("--valid-to", required=True, type=Day(), help="Ngày cuối cùng còn hiệu lực.")
@click.option("--successor", help="Mã trường kế tục; bỏ trống khi giải thể.")
def close_school(code: str, valid_to: date, successor: str | None) -> None:
    """Kết thúc thời hạn của một trường (sáp nhập, đổi tên, giải thể).

    Sau ngày đó không ai ký cho trường được nữa; học bạ đã ký trước đó vẫn có giá trị. Trường đổi tên: chạy
    tiếp add-school với cùng mã.
    """
    now = resources().clock.now()
    with refusals():
        asked = audit.named(resources().vault, "school", code)
        with told(CHANGE, [asked]), transaction() as session:
            change = trusted.close_school(session, code, valid_to, successor, actor=actor(), now=now)
            withdrawn = _withdraw(session, change, now)
        click.echo(f"Trường {code} có hiệu lực đến hết ngày {valid_to:%d/%m/%Y}.")
        _settle(withdrawn, now)


@trust.command("add-anchor")
@click.argument("certificate", type=FILE)
@click.option(
    "--pki",
    required=True,
    type=click.Choice(Pki, case_sensitive=False),
    help="Chuyên dùng công vụ hoặc công cộng.",
)
@PURPOSE
@click.option("--name", default="", help="Tên hiển thị; mặc định là tên ghi trong chứng thư.")
def add_anchor(certificate: Path, pki: Pki, purpose: Purpose, name: str) -> None:
    """Ghim chứng thư gốc, hoặc chứng thư cấp dưới của một chứng thư gốc đã ghim, cho một mục đích."""
    now = resources().clock.now()
    with refusals():
        content = read_input(certificate)
        with told(CHANGE, [trusted.trail_file(content)]), transaction() as session:
            change = trusted.add_anchor(
                session,
                content,
                pki,
                purpose=purpose,
                name=name,
                actor=actor(),
                now=now,
            )
            withdrawn = _withdraw(session, change, now)
        click.echo("Đã ghim chứng thư.")
        _settle(withdrawn, now)


@trust.command("remove-anchor")
@click.argument("sha256")
@PURPOSE
def remove_anchor(sha256: str, purpose: Purpose) -> None:
    """Thôi tin một tổ chức chứng thực cho một mục đích: không gì bên dưới còn được tính."""
    now = resources().clock.now()
    with refusals():
        asked = trusted.trail_certificate(resources().vault, sha256)
        with told(CHANGE, [asked]), transaction() as session:
            change = trusted.remove_anchor(session, sha256, purpose=purpose, actor=actor(), now=now)
            withdrawn = _withdraw(session, change, now)
        click.echo("Đã thôi ghim chứng thư.")
        _settle(withdrawn, now)


@trust.command("add-signer")
@click.argument("certificate", type=FILE)
@click.option("--school", "school_code", required=True, help="Mã trường.")
@click.option("--role", required=True, type=click.Choice(Role))
@click.option("--capacity", default="", type=click.Choice(CAPACITIES), help="KT: ký thay; Q: quyền.")
@click.option("--subject", "subject_codes", multiple=True, help="Mã môn của GVBM; bỏ trống là mọi môn.")
@click.option("--name", "display_name", default="", help="Tên hiển thị; mặc định là tên trong chứng thư.")
@click.option("--valid-from", type=Moment())
@click.option("--valid-to", type=Moment())
@click.option("--account", type=click.UUID, help="Tài khoản của người giữ: chỉ người đó ra lệnh ký.")
def add_signer(certificate: Path, **fields: Any) -> None:
    """Đăng ký chứng thư của một người ký hoặc con dấu; đăng ký chờ duyệt."""
    signer = SignerInput(certificate=read_input(certificate), **fields)
    now = resources().clock.now()
    asked = trusted.trail_file(signer.certificate)
    with refusals(), told(CHANGE, [asked]), transaction() as session:
        change = trusted.add_signer(session, signer, actor=actor(), now=now)
        _withdraw(session, change, now)
    click.echo(f"Đã đăng ký, chờ duyệt. Mã: {change.created}")


@trust.command("approve")
@click.argument("signers", nargs=-1, required=True)
@click.option("--refuse", "refused", is_flag=True, help="Từ chối thay vì duyệt.")
def approve(signers: tuple[str, ...], refused: bool) -> None:
    """Duyệt (hoặc từ chối) đăng ký, theo mã hoặc dấu vân tay SHA-256 của chứng thư.

    Người đã đăng ký chứng thư không tự duyệt được: phải là người thứ hai.
    """
    now = resources().clock.now()
    with refusals():
        with told(CHANGE, _named(signers)), transaction() as session:
            keys = [key for text in signers for key in trusted.find_signers(session, text)]
            change = trusted.approve(session, keys, actor=actor(), now=now, refuse=refused)
            withdrawn = _withdraw(session, change, now)
        click.echo(f"{'Đã từ chối' if refused else 'Đã duyệt'} {len(set(keys))} đăng ký.")
        _settle(withdrawn, now)


@trust.command("link-account")
@click.argument("decision", type=click.UUID)
def link_account(decision: uuid.UUID) -> None:
    """Gắn đăng ký với tài khoản của người giữ, theo quyết định đã có hai người: chỉ người đó ra lệnh ký.

    Lập đề nghị: decisions propose link_signers MÃ… --account MÃ_TÀI_KHOẢN
    """
    now = resources().clock.now()
    with told(CHANGE, [decisions.about(decision)]), transaction() as session:
        change, account = decided.link(session, decision, actor=actor(), now=now)
    click.echo(f"Đã gắn {change.signers} đăng ký với tài khoản {account}.")


@trust.command("set-lock-date")
@click.argument("department")
@click.argument("year")
@click.argument("day", type=Day())
@click.option("--supplementary", is_flag=True, help="Của học sinh phải đánh giá lại trong hè.")
def set_lock_date(department: str, year: str, day: date, *, supplementary: bool) -> None:
    """Đặt ngày cuối trường được tự sửa học bạ của năm học YEAR (2025-2026); sau đó Sở phải duyệt."""
    now = resources().clock.now()
    with refusals(), told(CHANGE), transaction() as session:
        deadlines.set_last_open_day(
            session, department, year, day, supplementary=supplementary, actor=actor(), now=now
        )
    click.echo(f"Năm học {year}: trường tự sửa đến hết ngày {day:%d/%m/%Y}.")


@trust.command("suspend")
@click.argument("signers", nargs=-1)
@click.option(
    "--key-compromised",
    "compromised",
    is_flag=True,
    help="Khóa bị lộ hoặc mất: mọi đăng ký của khóa đó, ở mọi trường và vai trò; không đăng ký lại được.",
)
@click.option("--decision", type=click.UUID, help="Lùi về quá khứ, theo quyết định đã có hai người.")
def suspend(signers: tuple[str, ...], decision: uuid.UUID | None, *, compromised: bool) -> None:
    """Đình chỉ người ký từ lúc này, theo mã (một đăng ký) hoặc dấu vân tay SHA-256 của chứng thư.

    Người ký chuyển trường hay thôi chức vụ: đình chỉ đúng đăng ký đó. Khóa bị lộ: thêm --key-compromised.
    Chữ ký đã chứng minh có trước lúc này vẫn được tính. Muốn chữ ký từ một lúc trong quá khứ không được tính
    nữa thì phải có hai người: decisions propose suspend_signers MÃ… --since THỜI_ĐIỂM.
    """
    if (decision is None) is not bool(signers) or (decision is not None and compromised):
        refuse(Refusal("usage", "Ghi các người ký, hoặc chỉ --decision."), status=2)
    now = resources().clock.now()
    with refusals():
        asked = _named(signers) if decision is None else [decisions.about(decision)]
        with told(CHANGE, asked), transaction() as session:
            if decision is None:
                keys = [key for text in signers for key in trusted.find_signers(session, text)]
                change = trusted.suspend(session, keys, now, compromised=compromised, actor=actor(), now=now)
            else:
                change = decided.suspend(session, decision, actor=actor(), now=now)
            withdrawn = _withdraw(session, change, now)
        click.echo(f"Đã đình chỉ {change.signers} đăng ký.")
        if decision is None and not compromised:
            click.echo("hint: Khóa bị lộ thì chạy lại với --key-compromised.", err=True)
        _settle(withdrawn, now)


@trust.command("import-crl")
@click.argument("lists", nargs=-1, required=True, type=FILE)
def import_crl(lists: tuple[Path, ...]) -> None:
    """Nạp danh sách thu hồi (CRL) mới của các tổ chức chứng thực đã ghim.

    Mỗi tệp được xét riêng: tệp hỏng được nêu tên, các tệp khác vẫn được nạp.
    """
    now = resources().clock.now()
    with refusals():
        withdrawn = 0
        bad: list[Problem] = []
        for path in lists:
            try:
                content = read_input(path)
                asked = Object("list", fingerprint(content).hexdigest())
                with told(CHANGE, [asked]), transaction() as session:
                    change = trusted.import_crl(session, content, actor=actor(), now=now)
                    withdrawn += _withdraw(session, change, now)
            except Refusal as refused:
                bad.append(Problem(str(path), refused.code, refused.message))
            except InvalidInput as invalid:
                bad += [Problem(str(path), p.code, p.message) for p in invalid.problems]
            else:
                click.echo(f"Đã nạp {path}.")
        _hint_of_stale(now)
        _settle(withdrawn, now)
        if bad:
            fail(bad)


@trust.command("add-crl-address")
@click.argument("sha256")
@click.argument("url")
def add_crl_address(sha256: str, url: str) -> None:
    """Ghim địa chỉ công bố danh sách thu hồi của tổ chức chứng thực có dấu vân tay SHA256."""
    now = resources().clock.now()
    asked = trusted.trail_certificate(resources().vault, sha256)
    with refusals(), told(CHANGE, [asked]), transaction() as session:
        trusted.add_crl_address(session, sha256, url, actor=actor(), now=now)
    click.echo(f"Đã ghim {url}. Lấy danh sách: flask --app wsgi trust refresh")


@trust.command("remove-crl-address")
@click.argument("url")
def remove_crl_address(url: str) -> None:
    """Thôi lấy danh sách thu hồi từ một địa chỉ; danh sách đã lấy vẫn dùng đến hết hạn."""
    now = resources().clock.now()
    asked = audit.typed(resources().vault, url)  # what is pinned is not refused
    with refusals(), told(CHANGE, [asked]), transaction() as session:
        trusted.remove_crl_address(session, url, actor=actor(), now=now)
    click.echo(f"Đã bỏ ghim {url}.")


@trust.command("refresh")
def refresh() -> None:
    """Lấy danh sách thu hồi mới từ các địa chỉ đã ghim, và kiểm tra lại những tệp mà chúng đổi kết quả.

    Mỗi địa chỉ được xét riêng; địa chỉ lỗi được nêu tên (mã thoát 1), danh sách cũ của nó vẫn dùng đến hết
    hạn. Chạy lại lúc nào cũng được, nên chạy mỗi giờ.
    """
    portal = resources()
    now = portal.clock.now()
    with refusals():
        with reading() as session:
            addresses = trusted.list_crl_addresses(session)
        if not addresses:
            raise Refusal(
                "no_addresses",
                "Chưa ghim địa chỉ danh sách thu hồi nào.",
                "flask --app wsgi trust add-crl-address SHA256 URL",
            )
        withdrawn = 0
        bad: list[Problem] = []
        for address in addresses:
            try:
                data = fetch(address.url)  # what does not answer is no act
                with told(CHANGE, [Object("authority", address.issuer_id)]), transaction() as session:
                    before = trusted.current_epoch(session)
                    change = trusted.import_crl(
                        session, data, issuer_id=address.issuer_id, actor=actor(), now=now
                    )
                    withdrawn += _withdraw(session, change, now) if change.epoch != before else 0
                    trusted.tried_crl_address(session, address.id, "", now=now)
                said = "danh sách mới" if change.epoch != before else "không có gì mới"
                click.echo(f"{address.url}: {said} ({address.authority}).")
            except (FetchFault, InvalidInput) as fault:
                found = (
                    [Problem(address.url, fault.code, str(fault))]
                    if isinstance(fault, FetchFault)
                    else [Problem(address.url, p.code, p.message) for p in fault.problems]
                )
                bad += found
                with transaction() as session:
                    trusted.tried_crl_address(session, address.id, found[0].message, now=now)
        _hint_of_stale(now)
        _settle(withdrawn, now)
        if bad:
            fail(bad)


@trust.command("export")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
def export(file: Path) -> None:
    """Ghi gói tin cậy để kiểm tra ngoại tuyến (python -m verifier check … --trust FILE)."""
    portal = resources()
    now = portal.clock.now()
    with reading() as session:
        # Trust first: the registry's facts may only be newer than the trust they are read with.
        store = trusted.load_store(session)
        content = trusted.bundle(
            store,
            registry.registry_facts_export(session),
            public_url=portal.settings.public_url,
            former=portal.settings.public_url_former,
            as_of=now,
        )
    try:
        trusted.write_bundle(file, content)
    except OSError as error:
        raise Refusal("not_written", f"Không ghi được {file}: {error.strerror or error}.") from error
    facts = content["registry"]
    click.echo(
        f"Đã ghi {file}: {len(store.signers)} người ký, {len(facts['versions'])} bản, lúc {_time(now)}."
    )


@trust.command("list")
@click.option("--school", help="Chỉ người ký của trường này.")
def list_all(school: str | None) -> None:
    """Liệt kê tổ chức chứng thực, trường và người ký."""
    with reading() as session:
        anchors, schools = trusted.list_anchors(session), trusted.list_schools(session)
        addresses = trusted.list_crl_addresses(session)
        signers = trusted.list_signers(session, school)
    if school is not None and all(facts.code != school for facts in schools):
        raise Refusal(
            "unknown_school",
            f"Không có trường nào mang mã {school}.",
            "Xem danh sách: flask --app wsgi trust list",
        )
    click.echo("Tổ chức chứng thực")
    for anchor in anchors:
        until = "chưa có CRL" if anchor.crl_until is None else f"CRL đến {_time(anchor.crl_until)}"
        kind = "gốc" if anchor.is_root else "   "
        purpose = _PURPOSES[anchor.purpose]
        click.echo(f"  {anchor.sha256}  {anchor.pki:6}  {kind}  {purpose}  {anchor.name}  ({until})")
    if addresses:
        click.echo("Địa chỉ danh sách thu hồi")
    for address in addresses:
        tried = "chưa lấy lần nào" if address.tried_at is None else f"lấy lúc {_time(address.tried_at)}"
        fault = f"; lỗi: {address.fault}" if address.fault else ""
        click.echo(f"  {address.url}  {address.authority}  ({tried}{fault})")
    click.echo("Trường")
    for facts in schools:
        if school is None or facts.code == school:
            until = "nay" if facts.valid_to is None else f"{facts.valid_to:%d/%m/%Y}"
            kind = f"{SECTORS[facts.sector]}, {' '.join(facts.levels)}"
            period = f"{kind}, {facts.valid_from:%d/%m/%Y} – {until}"
            click.echo(f"  {facts.code}  {facts.name}  ({period})")
    click.echo("Người ký")
    for signer in signers:
        a = signer.authority
        state = _STATES[a.approval] if a.invalid_since is None else f"đình chỉ từ {_time(a.invalid_since)}"
        role = " ".join(filter(None, (a.capacity, a.role, *sorted(a.subject_codes))))
        until = "không hạn" if a.valid_to is None else _time(a.valid_to)
        period = f"{_time(a.valid_from)} – {until}"
        who = f"{signer.id}  {a.school_code}  {role}  {a.display_name}  ({state}; {period})"
        click.echo(f"  {who}  {a.certificate_sha256}")


_PURPOSES = {Purpose.SIGNING: "ký", Purpose.TIMESTAMPING: "dấu thời gian"}
_STATES = {Approval.WAITING: "chờ duyệt", Approval.APPROVED: "đã duyệt", Approval.REFUSED: "bị từ chối"}


def _time(moment: datetime) -> str:
    return f"{trusted.local(moment):%H:%M %d/%m/%Y}"


def _hint_of_stale(now: datetime) -> None:
    """Names authorities whose newest list has run out: what rests on them is answered with "not checked"."""
    with reading() as session:
        for anchor in trusted.list_anchors(session):
            if anchor.crl_until is not None and anchor.crl_until <= now:
                click.echo(f"hint: CRL của {anchor.name} quá hạn từ {_time(anchor.crl_until)}.", err=True)


def _named(signers: Sequence[str]) -> Callable[[Session], Sequence[Object]]:
    """The signers that a command was given, as the trail calls them."""
    return partial(trusted.trail_signers, vault=resources().vault, texts=signers)


def _withdraw(session: Session, change: Change, now: datetime) -> int:
    """In the transaction of the change: what rests on it has no standing from now on."""
    return registry.withdraw_standing(session, change.certificates, epoch=change.epoch)


def _settle(withdrawn: int, now: datetime) -> None:
    """After the change: validate anew what it touched, and what would lapse before the next working day."""
    if withdrawn:
        click.echo(f"{withdrawn} tệp phải kiểm tra lại; mã của chúng tạm trả lời “chưa kiểm tra được”.")
    revalidate_all(due=now + REFRESH)
