"""Accept a province's folder: when it has no mistakes a copy of it is kept and used, else the newest good copy stays in use."""

from __future__ import annotations

import hashlib
import logging
from functools import cache
from importlib.resources import files
from pathlib import Path

from lgsp import config
from lgsp.config import Config, folder
from lgsp.config.copies import Copies
from lgsp.config.folder import Contents
from lgsp.configure import checks
from lgsp.errors import ConfigInvalid
from lgsp.settings import Settings

log = logging.getLogger(__name__)


def accept(settings: Settings, contents: Contents) -> Config:
    """The checked copy of these contents if they are good, else the newest copy that was; a good one is kept.

    Raises ConfigInvalid, with all mistakes, when the contents are not good and no copy is.
    """
    if settings.definitions is not None:
        _warn_deprecated()
    copies = Copies(settings.home)
    state = copies.state()
    is_same_program = state.get("checked_by") == program()
    # an older copy may have been checked by another version of the program: it is checked again
    kept = copies.find(contents.hash) if is_same_program and state.get("newest") == contents.hash else None
    if is_same_program and state.get("broken") == contents.hash:
        mistakes = tuple(state["mistakes"])
    elif kept is not None or not (mistakes := _keep(copies, contents)):
        copies.note(contents.hash, program())
        return kept or Config.of(contents.hash, copies.path(contents.hash))
    newest = copies.newest()
    if newest is not None and not is_same_program and _keep(copies, _contents(newest)):
        newest = None  # the upgraded program does not accept it
    copies.note(newest.hash if newest else None, program(), contents.hash, mistakes)
    if newest is None:
        raise ConfigInvalid(mistakes)
    _report(mistakes, newest.hash)
    return newest


def problems(settings: Settings) -> list[str]:
    """What is wrong with the folder as it is now, one line each; empty when it is in use."""
    state = Copies(settings.home).state()
    mistakes: list[str] = state.get("mistakes", [])
    return mistakes if state.get("broken") == folder.read(settings).hash else []


def _keep(copies: Copies, contents: Contents) -> tuple[str, ...]:
    """Check the contents of a folder and keep a copy when they are good; else their mistakes."""
    mistakes = check(copies, contents)
    if not mistakes and copies.find(contents.hash) is None:
        copies.add(copies.draft(contents))
    return mistakes


def check(copies: Copies, contents: Contents) -> tuple[str, ...]:
    """All mistakes in the contents of a folder, one line each."""
    previous, draft = config.active(), copies.draft(contents)
    try:
        config.use(draft)
        return (*contents.mistakes, *checks.mistakes(draft, contents.files))
    finally:
        config.use(previous)
        copies.delete(draft)


def _contents(kept: Config) -> Contents:
    """The files of a copy."""
    root = kept.folder or Path()
    paths = [path for path in root.rglob("*") if path.is_file()]
    return Contents({path.relative_to(root).as_posix(): path.read_bytes() for path in paths})


@cache
def program() -> str:
    """A fingerprint of what a province's files are checked against: the program's own files of the same kinds, and the checks."""
    package = Path(str(files("lgsp")))
    patterns = (
        "codelists/*.yml",
        "sources/*/*.yml",
        "vietnam/data/*.csv",
        "indicators/definitions/*.*",
        "configure/*.py",
    )
    paths = sorted(path for pattern in patterns for path in package.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


@cache
def _report(mistakes: tuple[str, ...], in_use: str) -> None:
    log.error(
        "LGSP_CONFIG has mistakes, the copy %s stays in use until they are fixed:\n%s", in_use, "\n".join(mistakes)
    )


@cache
def _warn_deprecated() -> None:
    log.warning("LGSP_DEFINITIONS is deprecated: move its files to the folder definitions of LGSP_CONFIG and unset it")
