"""Brings OpenAI's and Open Responses' OpenAPI documents beside the virtual environment's other files (README.md).

No package is made of the documents; the source distribution named in requirements.txt, pinned by its hash, carries
both. Knows: where they are in it. Must not know: what they say.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# Our name -> where in the distribution.
DOCUMENTS = {
    "openai.yml": "docs/static/openai-spec-2.3.0.yml",
    "openresponses.json": "docs/static/openresponses-spec.json",
}


def bring(folder: Path) -> None:
    """Raises CalledProcessError where the package index cannot be reached."""
    with tempfile.TemporaryDirectory() as scratch:
        # It asks for a newer Python than ours: of no matter, since nothing of it is run.
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries=1",
             "--no-deps", "--no-binary=ogx", "--ignore-requires-python", f"--dest={scratch}",
             f"--requirement={REQUIREMENTS}"],
            check=True,
        )  # fmt: skip
        (packed,) = Path(scratch).iterdir()
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(packed) as archive:
            top = PurePosixPath(archive.getnames()[0]).parts[0]
            for name, member in DOCUMENTS.items():
                document = archive.extractfile(f"{top}/{member}")
                assert document is not None, f"{member} is no file"
                (folder / name).write_bytes(document.read())


if __name__ == "__main__":
    try:
        bring(Path(sys.prefix) / "specifications")
    except subprocess.CalledProcessError:
        sys.exit("OpenAI's specification could not be had; the tests that validate against it will be skipped.")
