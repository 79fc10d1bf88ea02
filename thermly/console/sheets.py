"""CSV to download (RFC 4180), written line by line while it is sent.

Knows: the format, and what spreadsheets take for formulas. Must not know: what is in it.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence

from flask import Response

FORMULA = re.compile(r"[=+\-@\t\r\n]")
NUMBER = re.compile(r"-?\d+(\.\d+)?")


class _Echo:
    """What csv.writer writes to, and its line comes back."""

    def write(self, line: str) -> str:
        return line


def download(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """`name` is made of plain letters."""
    response = Response(_lines(columns, rows), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([harmless(cell) for cell in row])


def harmless(cell: object) -> object:
    """What people have named things may not become a formula in the spreadsheet of whoever opens it."""
    if isinstance(cell, str) and FORMULA.match(cell) and not NUMBER.fullmatch(cell):
        return "'" + cell
    return cell
