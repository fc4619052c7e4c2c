"""``flask --app wsgi decisions …``: what takes two persons is proposed, confirmed or refused (SEC-24)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import click
from sqlalchemy.orm import Session

from portal.audit.service import Action
from portal.commands.console import VIETNAM, Command, Moment, Room, actor, refuse
from portal.commands.trail import What, told
from portal.decisions import service
from portal.decisions.service import Facts, Kind, State
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.registry import many
from portal.registry import service as registry
from portal.trust import decided
from portal.trust import service as trusted
from verifier.locator import group, parse_record_id

decisions = Room("decisions", help="Việc phải có hai người: một người đề nghị, người khác xác nhận.")

_STATES = {
    State.PROPOSED: "chờ người thứ hai",
    State.CONFIRMED: "đã xác nhận, chưa thực hiện",
    State.REFUSED: "bị từ chối",
    State.EXPIRED: "hết hạn",
    State.APPLIED: "đã thực hiện",
}


@decisions.command("list")
@click.option("--all", "closed", is_flag=True, help="Cả những việc đã xong, bị từ chối, hết hạn.")
def listing(closed: bool) -> None:
    """Các đề nghị đang mở."""
    _expire()
    with reading() as session:
        lines = [_line(session, each) for each in service.listing(session, closed=closed)]
    click.echo("\n".join(lines) or "Không có đề nghị nào.")


@decisions.command("propose", cls=Command)
@click.argument("kind", type=click.Choice([kind.value for kind in Kind]))
@click.argument("names", nargs=-1, required=True)
@click.option("--reason", required=True, help="Mã lý do; ghi sai thì lệnh kể những mã dùng được.")
@click.option("--reference", required=True, help="Số của hồ sơ giấy giữ căn cứ, như 123/QĐ-SGDĐT.")
@click.option("--since", type=Moment(), help="suspend_signers: chữ ký từ lúc này không được tính nữa.")
@click.option("--key-compromised", "compromised", is_flag=True, help="suspend_signers: khóa bị lộ hoặc mất.")
@click.option("--account", type=click.UUID, help="link_signers: tài khoản của người giữ.")
def propose(kind: str, names: tuple[str, ...], **options: Any) -> None:
    """Đề nghị một việc về những NAMES: mã tra cứu của học bạ, hoặc mã, dấu vân tay của người ký.

    \b
    destroy_record_key  hủy khóa và nội dung của một học bạ
    recall_records      thu hồi nhiều học bạ
    export_records      lấy tệp PDF của nhiều học bạ
    suspend_signers     không tính chữ ký từ một lúc trong quá khứ
    link_signers        gắn người ký với tài khoản

    Người khác có 7 ngày để xác nhận hoặc từ chối; xác nhận rồi thì có 7 ngày để thực hiện.
    """
    wanted = Kind(kind)
    _check_options(wanted, names, options)
    _expire()
    ask = _ASK[wanted]
    with told(Action.DECISION_PROPOSED, _about(wanted, names)), transaction() as session:
        now = resources().clock.now()
        line = _line(session, ask(session, names, **options, actor=actor(), now=now))
    click.echo(line)
    click.echo(f"Người thứ hai chạy: flask --app wsgi decisions confirm {line.partition(':')[0]}")


def _check_options(kind: Kind, names: Sequence[str], options: dict[str, Any]) -> None:
    """Which options belong to which kind; the others are taken out. Ends the command with status 2."""
    own = {Kind.SUSPEND_SIGNERS: ("since", "compromised"), Kind.LINK_SIGNERS: ("account",)}.get(kind, ())
    for name in ("since", "compromised", "account"):
        if name not in own and options.pop(name):
            refuse(Refusal("usage", f"--{_SPELLED[name]} không dùng cho {kind}."), status=2)
        if name in own and name != "compromised" and options[name] is None:
            refuse(Refusal("usage", f"{kind} cần --{_SPELLED[name]}."), status=2)
    if kind is Kind.DESTROY_RECORD_KEY and len(names) > 1:
        refuse(Refusal("usage", "Hủy khóa: mỗi quyết định một học bạ."), status=2)


def _about(kind: Kind, names: Sequence[str]) -> What:
    """What the trail calls what was asked for, where it is refused."""
    vault = resources().vault
    if kind in (Kind.SUSPEND_SIGNERS, Kind.LINK_SIGNERS):
        return partial(trusted.trail_signers, vault=vault, texts=names)
    if kind is Kind.DESTROY_RECORD_KEY:
        wanted = _record_id(names[0])
        return lambda session: (registry.trail_object(session, vault, wanted),)
    return ()


def _destroy(session: Session, names: Sequence[str], **said: Any) -> Facts:
    wanted = _record_id(names[0])
    record = registry.find_record(session, record_id=wanted)
    if record is None:
        raise Refusal("unknown_record", f"Không có học bạ nào mang mã tra cứu {group(wanted)}.")
    registry.refuse_destroyed(record)
    what = registry.trail_object(session, resources().vault, wanted)
    return service.propose(session, Kind.DESTROY_RECORD_KEY, what, organisation=record.school_code, **said)


def _recall(session: Session, names: Sequence[str], **said: Any) -> Facts:
    return many.propose(session, Kind.RECALL_RECORDS, names, **said)


def _export(session: Session, names: Sequence[str], **said: Any) -> Facts:
    return many.propose(session, Kind.EXPORT_RECORDS, names, **said)


def _suspend(session: Session, names: Sequence[str], **said: Any) -> Facts:
    keys = [key for text in names for key in trusted.find_signers(session, text)]
    return decided.propose_suspension(session, keys, **said)


def _link(session: Session, names: Sequence[str], **said: Any) -> Facts:
    keys = [key for text in names for key in trusted.find_signers(session, text)]
    return decided.propose_link(session, keys, **said)


_ASK: Final[Mapping[Kind, Callable[..., Facts]]] = {
    Kind.DESTROY_RECORD_KEY: _destroy,
    Kind.RECALL_RECORDS: _recall,
    Kind.EXPORT_RECORDS: _export,
    Kind.SUSPEND_SIGNERS: _suspend,
    Kind.LINK_SIGNERS: _link,
}
_SPELLED: Final = {"since": "since", "compromised": "key-compromised", "account": "account"}
#: How what was decided is done.
_DONE_BY: Final = {
    Kind.DESTROY_RECORD_KEY: "erasure destroy",
    Kind.RECALL_RECORDS: "recall --decision",
    Kind.EXPORT_RECORDS: "export --out THƯ_MỤC --decision",
    Kind.SUSPEND_SIGNERS: "trust suspend --decision",
    Kind.LINK_SIGNERS: "trust link-account",
}


@decisions.command("confirm")
@click.argument("decision", type=click.UUID)
def confirm(decision: uuid.UUID) -> None:
    """Xác nhận đề nghị của người khác: xem danh sách trước (decisions show)."""
    done = _answer(decision, Action.DECISION_CONFIRMED, service.confirm)
    click.echo(f"Thực hiện trong 7 ngày bằng: flask --app wsgi {_DONE_BY[done.kind]} {decision}")


@decisions.command("show")
@click.argument("decision", type=click.UUID)
def show(decision: uuid.UUID) -> None:
    """Kể đúng những gì một đề nghị nêu: từng học bạ, từng người ký."""
    with reading() as session:
        found = service.find(session, decision)
        click.echo(_line(session, found))
        for record_id, version in many.records(session, found):
            click.echo(f"  {group(record_id)} bản số {version}")
        wanted = set(found.content.get("signers", ()))
        for signer in trusted.list_signers(session):
            if str(signer.id) in wanted:
                entry = signer.authority
                click.echo(f"  {signer.id}  {entry.school_code}  {entry.role}  {entry.display_name}")
        if "since" in found.content:
            since = _moment(datetime.fromisoformat(found.content["since"]))
            click.echo(f"  từ {since}{', khóa bị lộ' if found.content['compromised'] else ''}")
        if "account" in found.content:
            click.echo(f"  cho tài khoản {found.content['account']}")


@decisions.command("refuse")
@click.argument("decision", type=click.UUID)
def refuse_other(decision: uuid.UUID) -> None:
    """Từ chối đề nghị của người khác."""
    _answer(decision, Action.DECISION_REFUSED, service.refuse)


def _answer(decision: uuid.UUID, action: Action, step: Callable[..., Facts]) -> Facts:
    _expire()
    with told(action, [service.about(decision)]), transaction() as session:
        done = step(session, decision, actor=actor(), now=resources().clock.now())
        line = _line(session, done)
    click.echo(line)
    return done


def _expire() -> None:
    """By itself: what is late stays so although what was asked for is refused."""
    with transaction() as session:
        service.expire(session, now=resources().clock.now())


def _line(session: Session, each: Facts) -> str:
    """One decision, about what people know."""
    record_id = registry.record_id_of(session, each.object) if each.object.kind == "record" else None
    if record_id is not None:
        about = f"học bạ {group(record_id)}"
    elif "versions" in each.content:
        about = f"{len(each.content['versions'])} học bạ"
    elif "signers" in each.content:
        about = f"{len(each.content['signers'])} người ký"
    else:
        about = str(each.object)
    end = "trả lời" if each.state is State.PROPOSED else "thực hiện"
    until = "" if each.until is None else f", {end} trước {_moment(each.until)}"
    answered = "" if each.answered_by is None else f", {each.answered_by} trả lời"
    return (
        f"{each.id}: {each.kind} {about}, {each.reason}, hồ sơ {each.reference}; "
        f"{each.proposed_by} đề nghị {_moment(each.proposed_at)}{answered}: {_STATES[each.state]}{until}"
    )


def _record_id(text: str) -> str:
    return parse_record_id(text.replace("-", "").strip().upper())


def _moment(moment: datetime) -> str:
    return moment.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M")
