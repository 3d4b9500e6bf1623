"""The calls by which a command changes something, one by one, and what `strace` can do to it at each of them."""

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
IDLE = frozenset(b"PDSHXp")  # messages by which the server does nothing: prepare, describe, synchronise, say who one is
UUID = re.compile(r"[0-9a-f]{32}\b|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Call:
    """The `nth` call of its name in a command's main thread, what it is about, and whether it was made whole."""

    name: str
    nth: int
    about: str
    is_change: bool

    def __str__(self) -> str:
        return f"{self.name}#{self.nth} {self.about}"

    @property
    def is_to_server(self) -> bool:
        """Whether it speaks to the database, and not to the disk."""
        return self.name in SENDING


@dataclass(frozen=True)
class Run:
    """How a command ended: its calls, its exit code (negative: the signal), and what it said."""

    calls: tuple[Call, ...]
    exit_code: int
    said: str


class Commands:
    """Runs `lgsp` commands under `strace`, one at a time, each in a process that has everything imported already."""

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
        """End the process they come from."""
        self._victim.communicate()
        self._folder.cleanup()

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], home: Path, injection: str | None = None
    ) -> Run:
        """Run a command to its end; with an injection as `strace -e inject=` takes it, such as `fsync:error=EIO:when=3`."""
        trace, output = Path(self._folder.name) / "trace", Path(self._folder.name) / "output"
        own = {name: value for name, value in environment.items() if name.startswith(("LGSP_", "AIRFLOW"))}
        self._say(json.dumps({"arguments": list(arguments), "environment": own, "output": str(output)}))
        pid = int(self._hear())
        inject = ["-e", f"inject={injection}"] if injection else []
        tracer = subprocess.Popen(
            ["strace", "-yy", "-s", "1000000", "-o", trace, "-e", f"trace={','.join(CALLS)}", *inject, "-p", str(pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        assert "attached" in attached, attached
        self._say("go")
        exit_code = os.waitstatus_to_exitcode(int(self._hear()))
        tracer.communicate()
        calls = tuple(_calls(trace.read_text(errors="replace"), str(home), pid))
        return Run(calls, exit_code, output.read_text(errors="replace"))

    def _say(self, line: str) -> None:
        assert self._victim.stdin is not None
        self._victim.stdin.write(line + "\n")
        self._victim.stdin.flush()

    def _hear(self) -> str:
        assert self._victim.stdout is not None
        return self._victim.stdout.readline()


def _calls(trace: str, home: str, pid: int) -> Iterator[Call]:
    counts: Counter[str] = Counter()
    statement = ""
    for line in trace.splitlines():
        if not (found := LINE.match(line)) or (name := found["call"]) not in CALLS:
            continue
        counts[name] += 1
        rest = found["rest"]
        if name in SENDING:
            sent = _sent(rest)
            statement = _statement(sent) or statement
            yield Call(name, counts[name], statement, not _is_idle(sent))
        else:
            is_reading = name.startswith("open") and not re.search(r"O_WRONLY|O_RDWR|O_CREAT", rest)
            is_ours = home in rest and not is_reading and " = -1 " not in rest
            yield Call(name, counts[name], _about(rest, home, pid), is_ours)


def _about(rest: str, home: str, pid: int) -> str:
    """The paths of a call, without what differs between two runs."""
    paths = dict.fromkeys(re.findall(rf"{re.escape(home)}/([^\s\">]*)", rest))
    return " ".join(UUID.sub("*", path.replace(str(pid), "*")) for path in paths)


def _sent(rest: str) -> bytes:
    found = SOCKET.match(rest)
    return bytes(codecs.escape_decode(found["bytes"])[0]) if found else b""


def _is_idle(sent: bytes) -> bool:
    """Whether PostgreSQL's protocol lets nothing happen on what was sent; a piece of a longer message is not idle."""
    at = 0
    while at + 5 <= len(sent) and sent[at] in IDLE:
        at += 1 + int.from_bytes(sent[at + 1 : at + 5], "big")
    return at == len(sent) or sent[:2] == b"\0\0"


def _statement(sent: bytes) -> str:
    if sent[:1] not in (b"P", b"Q") or not (found := STATEMENT.search(sent, 5)):
        return ""
    return " ".join(found[0].decode(errors="replace").split())[:70]
