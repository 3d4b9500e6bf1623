"""The command works in any locale: arguments, files and output are UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LOCALES = {
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0"},
    "POSIX, not coerced": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1 output": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1:strict"},
    "ASCII output": {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii:strict"},
}


def _run(locale: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    command = [sys.executable, "-m", "lgsp.cli", *arguments]
    return subprocess.run(command, env=environment | LOCALES[locale], capture_output=True, timeout=120, check=False)


@pytest.mark.exhaustive
@pytest.mark.parametrize("locale", LOCALES)
def test_output_is_utf8_in_every_locale(locale: str) -> None:
    ended = _run(locale, "dictionary")
    assert ended.returncode == 0, ended.stderr.decode()
    assert ended.stdout.decode("utf-8") == (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("locale", LOCALES)
def test_an_argument_with_accents_arrives_in_every_locale(locale: str) -> None:
    ended = _run(locale, "quarantine", "list", "--source", "Hội An")
    assert ended.returncode == 2 and "'Hội An' is not one of" in ended.stderr.decode("utf-8")
