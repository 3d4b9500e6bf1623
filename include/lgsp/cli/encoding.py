"""Makes a command use UTF-8 for its arguments, files and output, in every locale."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def use_utf8() -> None:
    """Write standard output and error in UTF-8; start the process again in Python's UTF-8 mode where the locale has another.

    In a C or Latin-1 locale Python decodes the arguments and the paths of the environment with that encoding, which
    cannot be changed later. Child processes inherit the mode.
    """
    if sys.getfilesystemencoding().lower() != "utf-8" and not sys.flags.utf8_mode and sys.orig_argv:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONUTF8": "1"})  # noqa: S606
    os.environ.setdefault("PYTHONUTF8", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.encoding.lower() not in ("utf-8", "utf8"):
            stream.reconfigure(encoding="utf-8")
