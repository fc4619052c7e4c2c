"""``flask --app wsgi decisions …``: what takes two persons is proposed, confirmed or refused (SEC-24)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime

import click
from sqlalchemy.orm import Session

from portal.audit.service import Action, Object
from portal.commands.console import VIETNAM, Command, Room, actor
from portal.commands.trail import told
from portal.decisions import service
from portal.decisions.service import REASONS, Facts, Kind, State
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.registry import service as registry
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
@click.argument("record_id")
@click.option(
    "--reason", required=True, help="Mã lý do: " + ", ".join(REASONS[Kind.DESTROY_RECORD_KEY]) + "."
)
@click.option("--reference", required=True, help="Số của hồ sơ giấy giữ căn cứ, như 123/QĐ-SGDĐT.")
def propose(kind: str, record_id: str, reason: str, reference: str) -> None:
    """Đề nghị một việc về một học bạ (mã tra cứu). Người khác có 7 ngày để xác nhận hoặc từ chối."""
    portal = resources()
    wanted = parse_record_id(record_id.replace("-", "").strip().upper())
    _expire()

    def find(session: Session) -> tuple[Object]:
        return (registry.trail_object(session, portal.vault, wanted),)

    with told(Action.DECISION_PROPOSED, find), transaction() as session:
        record = registry.find_record(session, record_id=wanted)
        if record is None:
            raise Refusal("unknown_record", f"Không có học bạ nào mang mã tra cứu {group(wanted)}.")
        registry.refuse_destroyed(record)
        made = service.propose(
            session,
            Kind(kind),
            *find(session),
            reason=reason,
            reference=reference,
            organisation=record.school_code,
            actor=actor(),
            now=portal.clock.now(),
        )
        line = _line(session, made)
    click.echo(line)
    click.echo(f"Người thứ hai chạy: flask --app wsgi decisions confirm {made.id}")


@decisions.command("confirm")
@click.argument("decision", type=click.UUID)
def confirm(decision: uuid.UUID) -> None:
    """Xác nhận đề nghị của người khác."""
    _answer(decision, Action.DECISION_CONFIRMED, service.confirm)
    click.echo(f"Thực hiện bằng: flask --app wsgi erasure destroy {decision}")


@decisions.command("refuse")
@click.argument("decision", type=click.UUID)
def refuse(decision: uuid.UUID) -> None:
    """Từ chối đề nghị của người khác."""
    _answer(decision, Action.DECISION_REFUSED, service.refuse)


def _answer(decision: uuid.UUID, action: Action, step: Callable[..., Facts]) -> None:
    _expire()
    with told(action, [service.about(decision)]), transaction() as session:
        line = _line(session, step(session, decision, actor=actor(), now=resources().clock.now()))
    click.echo(line)


def _expire() -> None:
    """By itself: what is late stays so although what was asked for is refused."""
    with transaction() as session:
        service.expire(session, now=resources().clock.now())


def _line(session: Session, each: Facts) -> str:
    """One decision, about the record as people know it."""
    record_id = registry.record_id_of(session, each.object)
    about = str(each.object) if record_id is None else group(record_id)
    until = "" if each.until is None else f", trả lời trước {_moment(each.until)}"
    answered = "" if each.answered_by is None else f", {each.answered_by} trả lời"
    return (
        f"{each.id}: {each.kind} học bạ {about}, {each.reason}, hồ sơ {each.reference}; "
        f"{each.proposed_by} đề nghị {_moment(each.proposed_at)}{answered}: {_STATES[each.state]}{until}"
    )


def _moment(moment: datetime) -> str:
    return moment.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M")
