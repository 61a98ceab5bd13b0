"""A file to work on."""

from pathlib import Path

import pytest

from tests.directory.john import TEXT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "directory.ldif"
    made.write_text(TEXT)
    return made
