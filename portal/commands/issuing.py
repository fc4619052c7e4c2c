"""``flask --app wsgi issue | correct | recall | export | signatures``: the only way to a signing key.

The web process never imports this module (see ``portal.factory.COMMANDS``). Errors go to stderr as ``error:``
and ``hint:`` lines, all of them; exit status 0 means that every row is issued or waits for a signature made
elsewhere.
"""

from __future__ import annotations

import sys
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import click
from flask.cli import with_appcontext
from sqlalchemy.orm import Session

from portal.audit.service import Action, Actor, Object
from portal.commands.console import Command, Room, actor, fail, refusals, refuse
from portal.commands.renew import no_timestamp_anchor
from portal.commands.trail import told
from portal.decisions import service as decisions
from portal.decisions.service import ONE_PERSON, TWO_PERSONS
from portal.errors import InvalidSettings, PortalError, Refusal
from portal.extensions import reading, resources, transaction
from portal.issuing import exchange, intake, telling
from portal.issuing.keys import KeyRing, load_keys
from portal.issuing.lock import exclusive
from portal.issuing.plan import COMMANDS, Advice, Choices
from portal.issuing.problems import once, row_of
from portal.issuing.rendering import Renderer
from portal.issuing.service import (
    Desk,
    Issued,
    Order,
    Outcome,
    Row,
    State,
    Work,
    attempt,
    check_signers,
    examine,
    find_issued,
    hand_out,
    proceed,
    settle,
    unfit_resumed,
    unfit_signers,
)
from portal.issuing.service import issue as issue_works
from portal.issuing.timestamping import HttpTimestamper
from portal.registry import many
from portal.registry import service as registry
from portal.trust import store as trust
from verifier.errors import InvalidInput, Problem
from verifier.locator import group, parse_record_id
from verifier.trust import TrustStore
from verifier.words import RECALL_REASONS

_PATH = click.Path(path_type=Path)  # a file that is not there is refused in our own words, see _read
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("issue", cls=Command)
@click.argument("file", type=_PATH)
@click.option("--dry-run", is_flag=True, help="Kiểm tra, dựng trang và dừng: không ghi, không ký.")
@click.option("--plan", type=_PATH, help="Kế hoạch ký (JSON): ai ký trường nào, ai ký thay.")
@click.option("--restart", is_flag=True, help="Bỏ những bản chưa cấp xong của tệp này và làm lại từ đầu.")
@click.option("--out", type=_FOLDER, help="Ghi PDF của từng học bạ (cả đã cấp từ trước) vào thư mục này.")
@with_appcontext
def issue(file: Path, dry_run: bool, plan: Path | None, restart: bool, out: Path | None) -> None:
    """Cấp học bạ cho mọi dòng của FILE (.jsonl, .csv, .xlsx). Chạy lại thì làm tiếp, không cấp hai lần."""
    _issue(file, plan, dry_run=dry_run, restart=restart, correction=None, out=out)


@click.command("correct", cls=Command)
@click.argument("file", type=_PATH)
@click.option("--reason", required=True, help="Vì sao sửa; được lưu cùng bản mới.")
@click.option("--dry-run", is_flag=True, help="Kiểm tra, dựng trang và dừng: không ghi, không ký.")
@click.option("--plan", type=_PATH, help="Kế hoạch ký (JSON).")
@click.option("--restart", is_flag=True, help="Bỏ những bản chưa cấp xong của tệp này và làm lại từ đầu.")
@click.option("--out", type=_FOLDER, help="Ghi PDF của từng học bạ (cả đã cấp từ trước) vào thư mục này.")
@with_appcontext
def correct(
    file: Path, *, reason: str, dry_run: bool, plan: Path | None, restart: bool, out: Path | None
) -> None:
    """Cấp bản mới cho những học bạ trong FILE; bản cũ trở thành “đã thay thế”."""
    if not reason.strip():
        refuse(Refusal("usage", "--reason không được để trống."), status=2)
    _issue(file, plan, dry_run=dry_run, restart=restart, correction=reason.strip(), out=out)


#: What an argument is when a decision says everything.
_BY_DECISION = click.option(
    "--decision", type=click.UUID, help="Mã quyết định đã có hai người; danh sách nằm trong quyết định."
)


@click.command("recall", cls=Command)
@click.argument("record_id", required=False)
@_BY_DECISION
@click.option(
    "--reason",
    type=click.Choice(registry.REASON_CLASSES),
    help="Lý do công khai: "
    + "; ".join(f"{code} = {RECALL_REASONS[code][0]}" for code in registry.REASON_CLASSES)
    + ".",
)
@click.option("--version", type=click.IntRange(1), help="Bản số mấy; không ghi là bản đang lưu hành.")
@with_appcontext
def recall(
    record_id: str | None, decision: uuid.UUID | None, reason: str | None, version: int | None
) -> None:
    """Thu hồi một học bạ theo mã tra cứu RECORD_ID, hoặc cả danh sách của một quyết định (--decision).

    Một người tự thu hồi nhiều nhất 5 học bạ trong 24 giờ. Nhiều hơn thì phải có hai người:
    decisions propose recall_records MÃ…, người khác decisions confirm, rồi recall --decision.
    """
    portal = resources()
    now = portal.clock.now()
    if decision is not None:
        if record_id or reason or version:
            refuse(Refusal("usage", "--decision đã nói tất cả: đừng ghi thêm gì."), status=2)
        with (
            refusals(),
            told(Action.RECALL, [decisions.about(decision)]),
            transaction() as session,
        ):
            count = telling.recall_many(session, portal.vault, decision, actor=actor(), now=now)
        click.echo(f"Đã thu hồi {count} học bạ theo quyết định {decision}.")
        return
    if record_id is None or reason is None:
        refuse(Refusal("usage", "Ghi mã tra cứu và --reason, hoặc chỉ --decision."), status=2)
    with refusals():
        identity = _identity(record_id)

        def find(session: Session) -> tuple[Object]:
            return (registry.trail_object(session, portal.vault, identity),)

        with told(Action.RECALL, find), transaction() as session:
            number = telling.recall_one(
                session, portal.vault, identity, reason, actor=actor(), now=now, version=version
            )
    click.echo(f"Đã thu hồi bản số {number} của học bạ {group(identity)} ({reason}).")


@click.command("export", cls=Command)
@click.argument("record_ids", nargs=-1, metavar="[RECORD_ID]...")
@_BY_DECISION
@click.option("--out", type=_FOLDER, required=True, help="Thư mục nhận tệp PDF.")
@click.option("--version", type=click.IntRange(1), help="Bản số mấy; không ghi là bản đang lưu hành.")
@with_appcontext
def export_files(
    record_ids: tuple[str, ...], decision: uuid.UUID | None, out: Path, version: int | None
) -> None:
    """Ghi tệp PDF đã đóng dấu của các học bạ RECORD_ID, tên là <lớp>-<mã>-v<bản số>.pdf.

    Một người tự lấy nhiều nhất 5 tệp trong 24 giờ. Nhiều hơn thì phải có hai người:
    decisions propose export_records MÃ…, người khác decisions confirm, rồi export --decision.
    """
    if (decision is None) is not bool(record_ids) or (decision is not None and version is not None):
        refuse(Refusal("usage", "Ghi các mã tra cứu, hoặc chỉ --decision."), status=2)
    problems: list[Problem] = []
    wanted: list[tuple[str, int | None]] = [(text, version) for text in record_ids]
    with refusals():
        _make_folder(out)
        if decision is not None:
            with told(Action.DISCLOSURE, [decisions.about(decision)]), transaction() as session:
                now = resources().clock.now()
                wanted = list(many.export(session, decision, actor=actor(), now=now))
        for text, number in wanted:
            try:
                issued = _issued(_identity(text), number)
            except InvalidInput as error:
                problems += (Problem(text, p.code, p.message) for p in error.problems)
                continue
            except Refusal as error:
                problems.append(Problem(text, error.code, f"{error.message} {error.hint}".strip()))
                continue
            click.echo(f"{group(issued.record_id)} bản số {issued.version}{_since(issued)}")
            basis = ONE_PERSON if decision is None else TWO_PERSONS
            problems += _hand_out(text, issued, out, basis=basis, decision=decision)
    if problems:
        fail(problems)


@click.group("signatures", cls=Room)
def signatures() -> None:
    """Ký hai bước bằng thiết bị ở nơi khác: xuất giá trị băm, nhập chữ ký.

    \b
    Tệp xuất ra (mỗi người ký một tệp):
      {"certificate": "<DER, base64>", "signer": "<SHA-256 của chứng thư số, hex>",
       "algorithm": "RSASSA-PKCS1-v1_5" hoặc "ECDSA",
       "digests": [{"issuance": "<UUID>", "field": "GVCN", "digest": "<SHA-256, hex>"}]}

    \b
    Tệp nhập vào (danh sách, hoặc đối tượng có danh sách đó ở "signatures"):
      [{"issuance": "<UUID>", "field": "GVCN", "digest": "<như đã xuất>",
        "signature": "<base64>"}]

    RSA: PKCS#1 v1.5 trên DigestInfo(SHA-256); ECDSA: giá trị DER.
    """


@signatures.command("export")
@click.argument("directory", type=_FOLDER)
@with_appcontext
def export(directory: Path) -> None:
    """Ghi những giá trị băm đang chờ ký vào DIRECTORY, mỗi người ký một tệp JSON.

    Tệp của lần xuất trước ở đó được thay hoặc bỏ. Học bạ có người ký không còn được ký thì không xuất.
    """
    with refusals():
        desk, store = _desk()
        with reading() as session:
            done = exchange.export_digests(
                session, desk.vault, directory, unfit=partial(unfit_signers, desk, store=store)
            )
            names = trust.signer_names(session, [each.signer for each in done.written])
        for each in done.written:
            name = names.get(each.signer, each.signer[:16])
            click.echo(f"{each.path}: {each.digests} giá trị băm cho {name}")
        for path in done.removed:
            click.echo(f"{path}: đã bỏ, của lần xuất trước, nay không còn gì chờ người ký này")
        if not done.written and not done.problems:
            click.echo("Không có học bạ nào chờ ký.")
        if done.problems:
            fail(once(done.problems))


@signatures.command("import")
@click.argument("file", type=_PATH)
@click.option("--out", type=_FOLDER, help="Ghi PDF của những học bạ vừa cấp xong vào thư mục này.")
@with_appcontext
def import_(file: Path, out: Path | None) -> None:
    """Nhập các chữ ký trong FILE, kiểm tra từng chữ ký rồi cấp tiếp."""
    with refusals(), exclusive(resources().engine, resources().settings.instance_dir):
        with told(Action.KEY_USE):
            content = _read(file)
            desk, store = _desk()
            with reading() as session:
                incoming = exchange.read_signatures(session, desk.vault, content, file.name)
        if out is not None:
            _make_folder(out)

        def taken(brought: exchange.Brought) -> Outcome:
            check_signers(desk, brought.job, store)
            issuance = exchange.take(
                brought,
                begin=desk.begin,
                vault=desk.vault,
                clock=desk.clock,
                actor=desk.actor,
                timestamper=desk.timestamper,
            )
            return proceed(desk, issuance, store)

        def outcomes() -> Iterator[Outcome]:
            for brought in incoming.brought:
                job = brought.job
                yield settle(desk, group(job.intent.record_id), partial(taken, brought), attempt(desk, job))
            for job in incoming.ready:
                step = partial(proceed, desk, job.id, store)
                yield settle(desk, group(job.intent.record_id), step, attempt(desk, job))

        if incoming.before:
            click.echo(f"{incoming.before} chữ ký đã được nhập trước đây.")
        _run(outcomes(), len(incoming.brought) + len(incoming.ready), out)


# ------------------------------------------------------------------------------------------------ in common


def _issue(
    file: Path, plan: Path | None, *, dry_run: bool, restart: bool, correction: str | None, out: Path | None
) -> None:
    if dry_run and out is not None:
        refuse(Refusal("usage", "--dry-run không ghi gì: đừng dùng cùng --out."), status=2)
    bundle = resources()
    lock = nullcontext() if dry_run else exclusive(bundle.engine, bundle.settings.instance_dir)
    # A dry run would have changed nothing: the trail has nothing to tell of it.
    asked = told(Action.ISSUE if correction is None else Action.CORRECT)
    with refusals(), lock:
        # 1 Everything that is wrong, of all rows, before anything is written.
        with nullcontext() if dry_run else asked:
            desk, works, store = _examined(file, plan, restart=restart, correction=correction)
        if dry_run:
            resumed = unfit_resumed(desk, works, store)
            if resumed:
                raise InvalidInput(once(resumed))
            already = sum(work.existing is not None for work in works)
            click.echo(
                f"{len(works)} học bạ đúng, {already} trong số đó đã cấp hoặc đang cấp dở. Chưa ghi gì."
            )
            return

        # 2 Each row as far as it goes.
        if out is not None:
            _make_folder(out)
        _run(issue_works(desk, works, store), len(works), out)


def _examined(
    file: Path, plan: Path | None, *, restart: bool, correction: str | None
) -> tuple[Desk, tuple[Work, ...], TrustStore]:
    """What there is to do for a class file. Raises InvalidInput with the mistakes of all rows."""
    class_file = intake.read_class_file(_read(file), file.name)
    checked = intake.validate(class_file)
    for warning in once(checked.warnings):
        click.secho(f"warning: {warning.where}: {warning.message}", fg="yellow", err=True)
    cells = {row.number: row.cells for row in class_file.rows}
    rows = [Row(f"dòng {number}", record, cells[number]) for number, record, _ in checked.records]
    problems = list(checked.problems)
    choices = _choices(plan, class_file, rows, problems)
    try:
        desk, store = _desk()
    except InvalidSettings as error:
        raise InvalidInput((*problems, *error.problems)) from error
    works: tuple[Work, ...] = ()
    try:
        works = examine(desk, rows, Order(choices, store, correction, restart), draw=not problems)
    except InvalidInput as error:
        problems += error.problems
    if problems:
        raise InvalidInput(once(sorted(problems, key=row_of)))
    return desk, works, store


def _choices(
    plan: Path | None, class_file: intake.ClassFile, rows: Sequence[Row], problems: list[Problem]
) -> Choices | None:
    """What the plan file says; None when it is wrong, then its mistakes are among ``problems``."""
    if plan is None:
        return Choices()
    try:
        choices = Choices.read(plan)
    except InvalidInput as error:
        problems += error.problems
        return None
    # A row with mistakes still names its class; its signature fields are not known.
    fields = {str(row.data["lop"]): frozenset[str]() for row in class_file.rows if row.data.get("lop")}
    for row in rows:
        lop = row.record.common.lop
        fields[lop] = fields.get(lop, frozenset()) | frozenset(row.record.signature_fields)
    found = choices.unknown(plan.name, fields)
    problems += found
    return None if found else choices


def _desk() -> tuple[Desk, TrustStore]:
    """What issuing works with, from the settings; the keys are opened here and by the worker, nowhere
    else.
    """
    settings = resources().settings
    if settings.signing_keys is None:
        raise Refusal(
            "no_keys",
            "Chưa có danh sách khoá ký.",
            "Đặt biến SIGNING_KEYS là đường dẫn tới danh sách khoá (JSON), xem README.",
        )
    return open_desk(load_keys(settings.signing_keys), actor())


def open_desk(ring: KeyRing, who: Actor, advice: Advice = COMMANDS) -> tuple[Desk, TrustStore]:
    """A desk with these keys, for whom ``who`` stands in the trail."""
    bundle = resources()
    settings = bundle.settings
    desk = Desk(
        begin=transaction,
        vault=bundle.vault,
        files=bundle.files,
        clock=bundle.clock,
        actor=who,
        renderer=Renderer(),
        ring=ring,
        public_url=settings.public_url,
        system_name=settings.system_name,
        owner=settings.owner_name,
        timestamper=HttpTimestamper(settings.tsa_url) if settings.tsa_url else None,
        advice=advice,
    )
    with reading() as session:
        store = trust.load_store(session)
    if settings.tsa_url and not store.timestamping.anchors:
        raise no_timestamp_anchor()
    return desk, store


def _run(outcomes: Iterable[Outcome], length: int, out: Path | None = None) -> None:
    """Works through ``outcomes`` with a progress bar, then says what became of every row. Exits 1 on a
    failure.
    """
    done: list[Outcome] = []
    try:
        with click.progressbar(outcomes, length=length, label="Cấp học bạ", file=sys.stderr) as bar:
            for outcome in bar:
                done.append(outcome)
    except BaseException:
        # A full disk, a lost connection, Ctrl-C: what ends the run is said by whoever catches it.
        click.echo(
            f"Dừng ở {len(done) + 1}/{length} học bạ. Những bản đã cấp còn nguyên; chạy lại lệnh này để làm "
            "tiếp, không học bạ nào bị cấp hai lần.",
            err=True,
        )
        raise
    count = Counter(outcome.state for outcome in done)
    click.echo(
        f"Đã cấp {count[State.ISSUED]}, đã cấp từ trước {count[State.ALREADY]}, "
        f"chờ chữ ký {count[State.WAITING]}, lỗi {count[State.FAILED]}."
    )
    problems = [problem for outcome in done for problem in outcome.problems]
    for outcome in done:
        if outcome.state is State.FAILED:
            click.echo(f"{outcome.where}: lỗi, chưa cấp")
            continue
        said = f"{outcome.where}: {group(outcome.record_id)} bản số {outcome.version}"
        if outcome.state is State.WAITING:
            click.echo(f"{said}, chờ {outcome.waiting_for}")
            continue
        issued = _issued(outcome.record_id, outcome.version)
        before = "đã cấp từ trước" if outcome.state is State.ALREADY else "đã cấp"
        click.echo(f"{said}, {before}{_since(issued)}")
        if out is not None:
            problems += _hand_out(outcome.where, issued, out)
    if count[State.WAITING]:
        click.echo("Xuất giá trị băm để ký: flask --app wsgi signatures export THƯ_MỤC")
    if problems:
        fail(once(problems))


def _issued(record_id: str, version: int | None) -> Issued:
    with reading() as session:
        issued = find_issued(session, record_id, version)
    if issued is None:
        raise Refusal(
            "not_issued",
            f"Không có bản nào {'đang lưu hành' if version is None else f'số {version}'} của học bạ "
            f"{group(record_id)}.",
            "Học bạ đã thu hồi: ghi rõ --version." if version is None else "",
        )
    return issued


def _since(issued: Issued) -> str:
    """What became of a version since it was issued."""
    match issued.state:
        case "superseded" if issued.current is not None:
            return f"; nay đã được thay thế bằng bản số {issued.current}"
        case "superseded":
            return "; nay đã được thay thế, bản thay thế đã thu hồi"
        case "recalled":
            return "; nay đã thu hồi"
        case _:
            return ""


def _identity(text: str) -> str:
    """A record id as printed, in groups, or as in the QR; no guessing at a typing error here."""
    return parse_record_id(text.replace("-", "").strip().upper())


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise Refusal("no_such_file", f"Không có tệp {file}.", "Kiểm tra lại tên và thư mục.") from None
    except OSError as error:
        raise Refusal("unreadable", f"Không đọc được {file}: {error.strerror}.") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal("not_written", f"Không tạo được thư mục {folder}: {error.strerror}.") from error


def _hand_out(
    where: str,
    issued: Issued,
    folder: Path,
    *,
    basis: str | None = None,
    decision: uuid.UUID | None = None,
) -> list[Problem]:
    """Writes the file and says its name; a file that could not be written does not stop the others."""
    bundle = resources()
    now = bundle.clock.now()
    try:
        with transaction() as session:
            path = hand_out(
                session,
                bundle.vault,
                bundle.files,
                issued,
                folder,
                basis=basis,
                decision=decision,
                actor=actor(),
                now=now,
            )
        click.echo(f"  {path}")
    except Refusal as error:
        return [Problem(where, error.code, f"{error.message} {error.hint}".strip())]
    except (PortalError, FileNotFoundError) as error:
        return [Problem(where, "unreadable", f"Không đọc được tệp đã lưu của học bạ này: {error}.")]
    return []
