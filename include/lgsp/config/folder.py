"""Read the files of a province's folder as they are now, and report those that cannot be read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lgsp.settings import DEFAULT_PROVINCE, Settings

DEFINITIONS = "definitions"
# A copy has the setting too, under this name: what a batch was made with is complete.
PROVINCE = "LGSP_PROVINCE"
MAX_BYTES = 8_000_000


@dataclass(frozen=True)
class Contents:
    """The files of a folder by their path in it, and what was wrong with others, one line each."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    mistakes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the files of the program are used as they are."""
        return not self.files and not self.mistakes

    @cached_property
    def hash(self) -> str:
        """16 hex digits that identify paths, contents and mistakes."""
        digest = hashlib.sha256()
        for path in sorted(self.files):
            digest.update(f"{path}\0{len(self.files[path])}\0".encode() + self.files[path])
        digest.update("\n".join(self.mistakes).encode())
        return digest.hexdigest()[:16]


def read(settings: Settings) -> Contents:
    """The files of LGSP_CONFIG, those of LGSP_DEFINITIONS as its folder `definitions`, and LGSP_PROVINCE if it is set."""
    files: dict[str, bytes] = {}
    mistakes: list[str] = []
    if settings.config is not None:
        _read_folder(settings.config, "LGSP_CONFIG", files, mistakes)
    if settings.definitions is not None:
        if any(path.startswith(f"{DEFINITIONS}/") for path in files):
            mistakes.append("LGSP_DEFINITIONS: LGSP_CONFIG has a folder definitions too; unset LGSP_DEFINITIONS")
        else:
            own: dict[str, bytes] = {}
            _read_folder(settings.definitions, "LGSP_DEFINITIONS", own, mistakes)
            files |= {f"{DEFINITIONS}/{path}": content for path, content in own.items()}
    if settings.province != DEFAULT_PROVINCE:
        files[PROVINCE] = settings.province.encode()
    return Contents(files, tuple(mistakes))


def _read_folder(root: Path, variable: str, files: dict[str, bytes], mistakes: list[str]) -> None:
    """Add the files of a folder and its subfolders, and the mistakes. Hidden files, README and backup copies are left out."""
    try:
        real = root.resolve(strict=True)
        paths = sorted(_walk(root))
    except OSError as error:
        mistakes.append(
            f"{variable}: the folder {root} cannot be read: {error.strerror}; create it, or unset {variable}"
        )
        return
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            if not path.resolve(strict=True).is_relative_to(real):
                mistakes.append(f"{name}: it is a link to a file outside {variable}; put the file itself there")
            elif not path.is_file():
                mistakes.append(f"{name}: it is no file; folders have files only")
            elif path.stat().st_size > MAX_BYTES:
                mistakes.append(
                    f"{name}: it has more than {MAX_BYTES // 1_000_000} MB; no file of settings is so large"
                )
            else:
                files[name] = path.read_bytes()
        except OSError as error:
            mistakes.append(f"{name}: it cannot be read: {error.strerror}; give the user of lgsp the right to read it")


def _walk(folder: Path, depth: int = 2) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "README")) or entry.name.endswith("~"):
                continue
            if depth > 1 and entry.is_dir():
                yield from _walk(folder / entry.name, depth - 1)
            else:
                yield folder / entry.name
