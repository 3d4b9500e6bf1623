"""The checked copies of a province's folder in `LGSP_HOME/config`: one for each content, never changed.

config/<hash>/      the files of one content
config/state.json   which copy is the newest good one, who checked it, and what is wrong with the folder now
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from lgsp import files
from lgsp.config.folder import PROVINCE, Contents
from lgsp.settings import DEFAULT_PROVINCE

STATE = "state.json"


@dataclass(frozen=True)
class Config:
    """A checked copy of a province's folder, and its hash; `folder` is None for the files of the program alone."""

    hash: str
    folder: Path | None = None
    province: str = DEFAULT_PROVINCE

    @classmethod
    def of(cls, hash_: str, folder: Path) -> Config:
        """The copy in a folder."""
        province = folder / PROVINCE
        code = province.read_text(encoding="utf-8").strip() if province.exists() else DEFAULT_PROVINCE
        return cls(hash_, folder, code)


SHIPPED = Config("shipped")


class Copies:
    """The copies of one installation."""

    def __init__(self, home: Path) -> None:
        self._root = home / "config"

    def path(self, hash_: str) -> Path:
        """The folder of a copy, whether it exists or not."""
        return self._root / hash_

    def find(self, hash_: str) -> Config | None:
        """The copy with a hash; SHIPPED for its name, None when there is none."""
        if hash_ == SHIPPED.hash:
            return SHIPPED
        return Config.of(hash_, self.path(hash_)) if self.path(hash_).is_dir() else None

    def newest(self) -> Config | None:
        """The newest copy that was good; None when there is none."""
        newest = self.state().get("newest")
        return self.find(newest) if newest else None

    def state(self) -> dict[str, Any]:
        """The content of `state.json`: what `note` recorded; empty when there is none."""
        try:
            state: dict[str, Any] = json.loads((self._root / STATE).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state

    def note(
        self, newest: str | None, checked_by: str, broken: str | None = None, mistakes: Sequence[str] = ()
    ) -> None:
        """Record the newest good copy and the version of the program that checked it; `broken` is the hash of a folder with mistakes.

        Nothing is written without a change.
        """
        state = {"newest": newest, "checked_by": checked_by, "broken": broken, "mistakes": list(mistakes)}
        if state != self.state():
            files.replace(self._root / STATE, json.dumps(state, ensure_ascii=False, indent=1).encode())

    def draft(self, contents: Contents) -> Config:
        """A copy of these files under a temporary name, to be checked and then added or deleted."""
        folder = self._root / f".{contents.hash}.{uuid4().hex}.new"
        folder.mkdir(parents=True)
        for name, content in contents.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            files.write(folder / name, content)
        return Config.of(contents.hash, folder)

    def add(self, draft: Config) -> Config:
        """Keep a draft that is good; the copy. Another process may have kept the same one."""
        assert draft.folder is not None
        for folder in {draft.folder, *(path for path in draft.folder.iterdir() if path.is_dir())}:
            files.sync_folder(folder)
        with suppress(OSError):  # it exists already
            draft.folder.rename(self.path(draft.hash))
        self.delete(draft)
        files.sync_folder(self._root)
        return Config.of(draft.hash, self.path(draft.hash))

    @staticmethod
    def delete(draft: Config) -> None:
        """Delete a draft."""
        if draft.folder is not None:
            shutil.rmtree(draft.folder, ignore_errors=True)
