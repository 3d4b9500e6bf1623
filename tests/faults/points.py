"""Trace the system calls of a command with `strace`, and kill it or make a call fail at any of them."""

from __future__ import annotations

import codecs
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "open", "openat", "creat", "write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "rename", "renameat", "renameat2",
    "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "truncate", "ftruncate",
    "sendto", "sendmsg", "chmod", "fchmod", "fchmodat",
)  # fmt: skip
SENDING = ("sendto", "sendmsg")
LINE = re.compile(r"(?P<call>\w+)\((?P<rest>.*)")
SOCKET = re.compile(r'\d+<TCP:\[[^]]*\]>, (?:\{.*?iov_base=)?"(?P<bytes>(?:[^"\\]|\\.)*)"')
STATEMENT = re.compile(rb"[A-Za-z][\w ,.(*']{4,}[^\0]*")
IDLE = frozenset(b"PDSHXp")  # messages after which the server changes nothing: parse, describe, sync, password
UUID = re.compile(r"[0-9a-f]{32}\b|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Call:
    """The `nth` call of its name in the main thread of a command, its target, and whether it changes something."""

    name: str
    nth: int
    target: str
    is_change: bool

    def __str__(self) -> str:
        return f"{self.name}#{self.nth} {self.target}"

    @property
    def is_to_server(self) -> bool:
        """Whether it sends data to the database rather than writing to the disk."""
        return self.name in SENDING


@dataclass(frozen=True)
class Run:
    """How a command ended: its calls, its exit code (negative: the signal), and its output."""

    calls: tuple[Call, ...]
    exit_code: int
    output: str


class Commands:
    """Runs `lgsp` commands under `strace`, one at a time, each in a process that has imported everything."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lgsp-trace-")
        alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        self._victim = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **alone},
        )

    def close(self) -> None:
        """End the process from which the commands are forked."""
        self._victim.communicate()
        self._folder.cleanup()

    def execute(
        self, arguments: Sequence[str], environment: Mapping[str, str], home: Path, injection: str | None = None
    ) -> Run:
        """Run a command to its end; `injection` is an argument of `strace -e inject=`, such as `fsync:error=EIO:when=3`."""
        trace, output = Path(self._folder.name) / "trace", Path(self._folder.name) / "output"
        own = {name: value for name, value in environment.items() if name.startswith(("LGSP_", "AIRFLOW"))}
        self._send(json.dumps({"arguments": list(arguments), "environment": own, "output": str(output)}))
        pid = int(self._receive())
        inject = ["-e", f"inject={injection}"] if injection else []
        tracer = subprocess.Popen(
            ["strace", "-yy", "-s", "1000000", "-o", trace, "-e", f"trace={','.join(CALLS)}", *inject, "-p", str(pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        assert "attached" in attached, attached
        self._send("go")
        exit_code = os.waitstatus_to_exitcode(int(self._receive()))
        tracer.communicate()
        calls = tuple(_calls(trace.read_text(errors="replace"), str(home), pid))
        return Run(calls, exit_code, output.read_text(errors="replace"))

    def _send(self, line: str) -> None:
        assert self._victim.stdin is not None
        self._victim.stdin.write(line + "\n")
        self._victim.stdin.flush()

    def _receive(self) -> str:
        assert self._victim.stdout is not None
        return self._victim.stdout.readline()


def _calls(trace: str, home: str, pid: int) -> Iterator[Call]:
    counts: Counter[str] = Counter()
    statement = ""
    for line in trace.splitlines():
        if not (match := LINE.match(line)) or (name := match["call"]) not in CALLS:
            continue
        counts[name] += 1
        rest = match["rest"]
        if name in SENDING:
            sent = _sent(rest)
            statement = _statement(sent) or statement
            yield Call(name, counts[name], statement, not _is_idle(sent))
        else:
            is_reading = name.startswith("open") and not re.search(r"O_WRONLY|O_RDWR|O_CREAT", rest)
            is_ours = home in rest and not is_reading and " = -1 " not in rest
            yield Call(name, counts[name], _paths(rest, home, pid), is_ours)


def _paths(rest: str, home: str, pid: int) -> str:
    """The paths in the arguments of a call, without the parts that differ between two runs."""
    paths = dict.fromkeys(re.findall(rf"{re.escape(home)}/([^\s\">]*)", rest))
    return " ".join(UUID.sub("*", path.replace(str(pid), "*")) for path in paths)


def _sent(rest: str) -> bytes:
    match = SOCKET.match(rest)
    return bytes(codecs.escape_decode(match["bytes"])[0]) if match else b""


def _is_idle(sent: bytes) -> bool:
    """Whether the server changes nothing after these messages; a part of a longer message is not idle."""
    at = 0
    while at + 5 <= len(sent) and sent[at] in IDLE:
        at += 1 + int.from_bytes(sent[at + 1 : at + 5], "big")
    return at == len(sent) or sent[:2] == b"\0\0"


def _statement(sent: bytes) -> str:
    if sent[:1] not in (b"P", b"Q") or not (match := STATEMENT.search(sent, 5)):
        return ""
    return " ".join(match[0].decode(errors="replace").split())[:70]
