"""A process that has imported everything and forks `lgsp` commands, each of which waits until it is traced.

For a line `{"arguments": [...], "environment": {...}, "output": path}` it prints the process id of the command; for the
line `go` it lets the command run and prints its wait status, as `os.waitpid` returns it.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import traceback
from typing import Any

import lgsp


def main() -> None:
    """Handle one command after another until the input ends."""
    for module in pkgutil.walk_packages(lgsp.__path__, "lgsp."):
        if not module.name.startswith(("lgsp.local",)):
            importlib.import_module(module.name)
    importlib.import_module("great_expectations")
    for line in sys.stdin:
        gate, opener = os.pipe()
        if (pid := os.fork()) == 0:
            _command(json.loads(line), gate)
        print(pid, flush=True)
        sys.stdin.readline()
        os.write(opener, b"x")
        print(os.waitpid(pid, 0)[1], flush=True)
        os.close(gate)
        os.close(opener)


def _command(request: dict[str, Any], gate: int) -> None:
    os.environ.update(request["environment"])
    output = os.open(request["output"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.read(gate, 1)
    code = 0
    try:
        importlib.import_module("lgsp.cli.main").main(request["arguments"])
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 an error that escapes the command is a finding
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
