"""Environments of their own, below .venv, for tools whose packages the platform does not have or cannot have."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from lgsp import files

ROOT = Path(__file__).resolve().parents[2]


def commands(name: str) -> Path:
    """The folder of the commands of `tests/<name>-requirements.txt`. Raises CalledProcessError when it cannot be installed."""
    requirements, folder = ROOT / "tests" / f"{name}-requirements.txt", ROOT / ".venv" / name
    installed = folder / "installed.txt"
    with files.locked(folder.with_name(f"{name}.lock")):
        wanted = requirements.read_text(encoding="utf-8")
        if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
            _install(folder, requirements)
            shutil.copy(requirements, installed)
    return folder / "bin"


def _install(folder: Path, requirements: Path) -> None:
    python = folder / "bin" / "python"
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.prefix) / "uv" / "bin"))
    if uv:
        make = [[uv, "venv", "--clear", "--python", sys.executable, folder]]
        make += [[uv, "pip", "install", "--python", python, "-r", requirements]]
    else:
        make = [[sys.executable, "-m", "venv", "--clear", folder]]
        make += [[python, "-m", "pip", "install", "--quiet", "-r", requirements]]
    for command in make:
        subprocess.run(command, check=True, capture_output=True, text=True)


def modules(name: str, package: str) -> Path:
    """The folder `node_modules` with an npm package such as `odata@2.0.1`. Raises CalledProcessError when it cannot be installed."""
    folder = ROOT / ".venv" / name
    installed = folder / "installed.txt"
    with files.locked(folder.with_name(f"{name}.lock")):
        if not installed.exists() or installed.read_text(encoding="utf-8") != package:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, package]
            subprocess.run(command, check=True, capture_output=True, text=True)
            installed.write_text(package, encoding="utf-8")
    return folder / "node_modules"
