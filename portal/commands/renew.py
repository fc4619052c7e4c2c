"""``flask --app wsgi renew``: registered files lifted to B-LTA for the archive."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import timedelta

import click
from flask.cli import with_appcontext

from portal.audit.service import Action
from portal.commands.console import Command, actor, fail, refusals
from portal.commands.trail import told
from portal.errors import Refusal
from portal.extensions import reading, resources, transaction
from portal.issuing import renewal
from portal.issuing.lock import exclusive
from portal.issuing.renewal import Bench, Outcome, State
from portal.issuing.timestamping import HttpTimestamper
from portal.registry import service as registry
from portal.trust import service as trust
from verifier.errors import InvalidInput, Problem
from verifier.locator import parse_record_id


@click.command("renew", cls=Command)
@click.argument("record_ids", nargs=-1, metavar="[RECORD_ID]...")
@click.option(
    "--within",
    type=click.IntRange(0, 3660),
    default=renewal.WITHIN.days,
    show_default=True,
    help="Gia hạn lại khi chứng thư của dấu thời gian cuối hết hạn trong số ngày này.",
)
@with_appcontext
def renew(record_ids: tuple[str, ...], within: int) -> None:
    """Thêm dữ liệu kiểm tra và dấu thời gian lưu trữ (B-LTA) vào học bạ đã cấp; mọi học bạ nếu không nêu mã.

    Tệp đã cấp vẫn nguyên và vẫn đúng; tệp gia hạn là một tệp nữa của cùng bản. Dừng lúc nào cũng được rồi
    chạy lại. Tệp mà danh sách thu hồi còn cũ hơn chữ ký thì chờ lần sau.
    """
    portal = resources()
    with refusals(), exclusive(portal.engine, portal.settings.instance_dir):
        with told(Action.RENEW):
            tsa_url, due = _due(record_ids, timedelta(days=within))
        bench = Bench(
            begin=transaction,
            vault=portal.vault,
            files=portal.files,
            clock=portal.clock,
            actor=actor(),
            timestamper=HttpTimestamper(tsa_url),
        )
        outcomes: list[Outcome] = []
        with click.progressbar(
            renewal.renew(bench, due), length=len(due), label="Gia hạn", file=sys.stderr
        ) as bar:
            outcomes.extend(bar)
        count = Counter(outcome.state for outcome in outcomes)
        click.echo(
            f"Đã gia hạn {count[State.RENEWED]}, chờ danh sách thu hồi {count[State.WAITING]}, "
            f"lỗi {count[State.FAILED]}."
        )
        problems = [o.problem for o in outcomes if o.problem is not None and o.state is State.FAILED]
        if problems:
            fail(problems)


def _due(record_ids: tuple[str, ...], within: timedelta) -> tuple[str, tuple[str, ...]]:
    """Who gives the timestamps, and the SHA-256 of the files to renew. Raises Refusal, InvalidInput."""
    portal = resources()
    if portal.settings.tsa_url is None:
        raise Refusal(
            "no_tsa",
            "Chưa đặt địa chỉ dịch vụ cấp dấu thời gian.",
            "Đặt biến TSA_URL, xem docs/settings.md.",
        )
    named = _known(record_ids)
    with reading() as session:
        if not trust.load_store(session).timestamping.anchors:
            raise no_timestamp_anchor()
        due = renewal.due(session, now=portal.clock.now(), within=within, record_ids=named)
    return portal.settings.tsa_url, due


def _known(record_ids: tuple[str, ...]) -> list[str]:
    """The ids as the registry spells them. Raises InvalidInput with every one that is none of ours."""
    named: list[str] = []
    problems: list[Problem] = []
    with reading() as session:
        for text in record_ids:
            try:
                record_id = parse_record_id(text.replace("-", "").strip().upper())
            except InvalidInput as invalid:
                problems += (Problem(text, p.code, p.message) for p in invalid.problems)
                continue
            if registry.find_record(session, record_id=record_id) is None:
                problems.append(Problem(text, "unknown_record", "Không có học bạ nào mang mã tra cứu này."))
            named.append(record_id)
    if problems:
        raise InvalidInput(tuple(problems))
    return named


def no_timestamp_anchor() -> Refusal:
    """TSA_URL is set, and nobody's timestamps are trusted: what they prove would be nothing."""
    return Refusal(
        "no_timestamp_anchor",
        "TSA_URL đã đặt nhưng chưa ghim tổ chức nào để tin dấu thời gian.",
        "flask --app wsgi trust add-anchor CHUNG_THU --pki … --purpose timestamping",
    )
