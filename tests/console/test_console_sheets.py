import csv
import io

import pytest

from thermly.console import sheets


def test_lines_are_written_as_the_standard_says():
    rows = [("a,b", 'say "x"', "two\nlines", -1.5), ("", "ü", "plain", 0)]
    response = sheets.download("name", ("one", "two", "three", "four"), iter(rows))
    text = response.get_data(as_text=True)
    assert text.startswith("one,two,three,four\r\n") and text.endswith("\r\n")
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == [[str(c) for c in row] for row in rows]
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="name.csv"'


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "--1", "-", "-1.5.2"])
def test_a_text_never_becomes_a_formula(cell: str):
    assert sheets.harmless(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "plain", "a=b", "1.50", "-1.50", "-0.000000001", 5, -5, None])
def test_everything_else_stays_as_it_is(cell: object):
    assert sheets.harmless(cell) == cell


def test_it_is_written_while_it_is_sent():
    seen = []

    def rows():
        for i in range(3):
            seen.append(i)
            yield (i,)

    response = sheets.download("name", ("n",), rows())
    lines = iter(response.response)
    next(lines), next(lines)
    assert seen == [0]
