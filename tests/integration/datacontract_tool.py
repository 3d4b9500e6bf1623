"""The tool datacontract-cli: installs it into a virtual environment of its own, and runs it on contracts.

As a program, which the Python of that environment runs, it tests contracts and prints what it found as JSON:

    python datacontract_tool.py SERVER CONTRACT...       SERVER is a server of the contracts, or `lint`
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "tests" / "datacontract-requirements.txt"
FOLDER = ROOT / ".venv" / "datacontract"


def commands() -> Path:
    """The folder of its commands. Raises CalledProcessError when it cannot be installed."""
    from lgsp import files

    commands, installed = FOLDER / "bin", FOLDER / "installed.txt"
    with files.locked(FOLDER.with_name("datacontract.lock")):
        if not installed.exists() or installed.read_text(encoding="utf-8") != REQUIREMENTS.read_text(encoding="utf-8"):
            _install(commands / "python")
            shutil.copy(REQUIREMENTS, installed)
    return commands


def _install(python: Path) -> None:
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.prefix) / "uv" / "bin"))
    if uv:
        make = [[uv, "venv", "--clear", "--python", sys.executable, FOLDER]]
        make += [[uv, "pip", "install", "--python", python, "-r", REQUIREMENTS]]
    else:
        make = [[sys.executable, "-m", "venv", "--clear", FOLDER]]
        make += [[python, "-m", "pip", "install", "--quiet", "-r", REQUIREMENTS]]
    for command in make:
        subprocess.run(command, check=True, capture_output=True, text=True)


def found(folder: Path, server: str, contracts: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """What the tool finds in some contracts, by their paths in `folder`: the `result`, and the checks with their results."""
    done = subprocess.run(
        [commands() / "python", __file__, server, *contracts],
        cwd=folder, env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def main(server: str, contracts: Sequence[str]) -> None:
    """Lint or test contracts in the current folder, and print the results."""
    from datacontract.data_contract import DataContract  # type: ignore[import-not-found]

    results = {}
    for path in contracts:
        run = DataContract(data_contract_file=path).lint() if server == "lint" else DataContract(
            data_contract_file=path, server=server
        ).test()  # fmt: skip
        checks = [(check.type, check.field, str(check.result.value), check.reason) for check in run.checks]
        results[path] = {"result": str(run.result.value), "checks": checks}
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
