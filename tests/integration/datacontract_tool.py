"""The tool datacontract-cli: runs it, in a virtual environment of its own, on contracts.

As a program, which the Python of that environment runs, it tests contracts and prints what it found as JSON:

    python datacontract_tool.py SERVER CONTRACT...       SERVER is a server of the contracts, or `lint`
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def found(folder: Path, server: str, contracts: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """What the tool finds in some contracts, by their paths in `folder`: the `result`, and the checks with their results."""
    from tests.integration import own_environment  # not in the environment of the tool

    done = subprocess.run(
        [own_environment.commands("datacontract") / "python", __file__, server, *contracts],
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
