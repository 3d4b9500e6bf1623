"""A province's own folder, and the process as it was before after each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lgsp import config
from lgsp.config import Config, folder
from lgsp.config.copies import Copies
from lgsp.configure.acceptance import check
from lgsp.settings import Settings


@dataclass(frozen=True)
class OwnFolder:
    """An installation with LGSP_CONFIG."""

    path: Path
    settings: Settings

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file of the folder; its path."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def mistakes(self) -> list[str]:
        """The mistakes in the folder as it is now."""
        return list(check(Copies(self.settings.home), folder.read(self.settings)))

    def accept(self) -> Config:
        """Use the folder as it is now, or the newest good copy."""
        return config.activate(self.settings)


@pytest.fixture(autouse=True)
def program_only() -> Iterator[None]:
    """The files of the program alone are in use before and after each test."""
    config.use(config.SHIPPED)
    yield
    config.use(config.SHIPPED)


@pytest.fixture
def own(tmp_path: Path) -> OwnFolder:
    """An installation with an empty folder of its own."""
    return installed(tmp_path)


@pytest.fixture
def of_province(tmp_path: Path) -> Callable[[str], OwnFolder]:
    """A function that makes an installation for a province."""
    return lambda code: installed(tmp_path, LGSP_PROVINCE=code)


def installed(home: Path, **environment: str) -> OwnFolder:
    """An installation with an empty folder of its own and further variables."""
    (home / "config").mkdir(exist_ok=True)
    settings = Settings.from_env({"LGSP_HOME": str(home / "home"), "LGSP_CONFIG": str(home / "config"), **environment})
    return OwnFolder(home / "config", settings)
