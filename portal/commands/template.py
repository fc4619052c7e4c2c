"""``flask --app wsgi template``: an empty class file for a clerk to fill in."""

from __future__ import annotations

from pathlib import Path

import click

from portal.commands.console import Command, refusals
from portal.errors import Refusal
from portal.issuing.intake import class_file_template
from verifier.record import Level, level_info


@click.command("template", cls=Command)
@click.argument("level", type=click.Choice([level.value for level in Level]))
@click.argument("grade", type=int)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def template(level: str, grade: int, file: Path) -> None:
    """Ghi tệp Excel mẫu của một lớp (LEVEL, GRADE) vào FILE.xlsx; không ghi đè tệp đã có."""
    grades = level_info(Level(level)).grades
    with refusals():
        if grade not in grades:
            raise Refusal(
                "no_such_grade", f"{level} không có khối {grade}.", f"Các khối: {grades[0]}–{grades[-1]}."
            )
        if file.suffix.lower() != ".xlsx":
            raise Refusal("not_xlsx", f"“{file.name}” không có đuôi .xlsx.", "Đặt tên tệp như lop-7a.xlsx.")
        try:
            with file.open("xb") as out:
                out.write(class_file_template(level, grade))
        except FileExistsError:
            raise Refusal("file_exists", f"Đã có tệp {file}.", "Chọn tên khác hoặc dời tệp cũ đi.") from None
        except OSError as error:
            raise Refusal("not_written", f"Không ghi được {file} ({error.strerror}).", "") from None
    click.echo(f"Đã ghi {file}.")
