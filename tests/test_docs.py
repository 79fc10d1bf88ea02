"""What the documents say of settings, commands and parameters is what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from thermly.settings import BY_NAME

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def test_the_generated_tables_are_fresh():
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@each_document
def test_links_lead_to_files(document: Path):
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@each_document
def test_settings_that_are_mentioned_exist(document: Path):
    named = set(re.findall(r"\bTHERMLY_([A-Z_]+)\b", document.read_text(encoding="utf-8")))
    assert {name for name in named if name.removesuffix("_FILE").lower() not in BY_NAME} == set()
