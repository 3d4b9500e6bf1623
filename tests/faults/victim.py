"""A process with everything imported that forks one `lgsp` command after another, each waiting to be traced.

Told `{"arguments": [...], "environment": {...}, "output": path}` on a line it answers the command's process id; told
`go` it lets the command run and answers how it ended, as `os.waitpid` says it.
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
    """Serve orders until the input ends."""
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


def _command(order: dict[str, Any], gate: int) -> None:
    os.environ.update(order["environment"])
    output = os.open(order["output"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.read(gate, 1)
    code = 0
    try:
        importlib.import_module("lgsp.cli.main").main(order["arguments"])
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 what escapes the command is what is looked for
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
