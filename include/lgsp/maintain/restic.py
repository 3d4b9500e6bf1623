"""Run restic, which stores, encrypts and deduplicates backups: in a folder, in a bucket, or where else it can write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lgsp.errors import SettingError, StorageFailed
from lgsp.settings import Settings

REPOSITORY = ("RESTIC_REPOSITORY", "RESTIC_REPOSITORY_FILE")
PASSWORD = ("RESTIC_PASSWORD_FILE", "RESTIC_PASSWORD_COMMAND", "RESTIC_PASSWORD")
TAG = "lgsp"


def is_configured(settings: Settings) -> bool:
    """Whether the environment names a repository."""
    return any(settings.environment.get(name) for name in REPOSITORY)


def ensure_repository(settings: Settings) -> None:
    """Create the repository if there is none. Raises SettingError when it cannot be opened."""
    opened = _run(settings, "cat", "config")
    if opened.returncode:
        created = _run(settings, "init")
        if created.returncode:  # there is one: with another password, or it does not answer
            raise SettingError(f"the backup repository cannot be opened: {_reason(opened)}")


def backup(settings: Settings, folder: Path, names: list[str]) -> dict[str, Any]:
    """Back up files and folders of `folder`; restic's summary, with `snapshot_id`, `data_added` (bytes) and counts of files."""
    result = _run(settings, "backup", "--json", "--tag", TAG, *names, folder=folder)
    if result.returncode:
        raise StorageFailed(f"the backup failed: {_reason(result)}")
    messages = list(_messages(result.stdout))
    return next(message for message in messages if message.get("message_type") == "summary")


def restore(settings: Settings, snapshot: str, target: Path) -> None:
    """Restore a snapshot of the repository, by its id or `latest`, into an empty folder. Raises SettingError."""
    chosen = ["latest", "--tag", TAG] if snapshot == "latest" else [snapshot]
    result = _run(settings, "restore", *chosen, "--target", str(target))
    if result.returncode:
        raise SettingError(f"the backup {snapshot} cannot be restored: {_reason(result)}")


def _run(settings: Settings, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = shutil.which("restic", path=settings.environment.get("PATH", os.environ.get("PATH")))
    if program is None:
        raise SettingError("restic is not installed: `apt-get install restic`, or see restic.net")
    for purpose, variables in (("repository", REPOSITORY), ("password", PASSWORD)):
        if not any(settings.environment.get(name) for name in variables):
            raise SettingError(f"set {variables[0]}: the {purpose} of the backups (a variable of restic)")
    return subprocess.run(
        [program, "--quiet", *arguments] if "--json" not in arguments else [program, *arguments],
        env={**os.environ, **settings.environment}, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _messages(output: str) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _reason(result: subprocess.CompletedProcess[str]) -> str:
    """The last lines of restic's error as one line."""
    return " ".join(result.stderr.split())[-500:] or f"exit code {result.returncode}"
