"""The documented clients: installs them, and runs blocks of docs/reading-the-data.md in their Python.

As a program, which the Python of the clients runs, it reads a task as JSON from the first line of its input. It runs the
block of the task and writes its variables as Arrow files. With `tables` it runs the block for each of them. Otherwise it prints
`ready` and waits for a line before the last statement of the block, writes `dossiers` and `documents`, waits, and writes them again.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reading-the-data.md"
FOLDER = ROOT / ".venv" / "clients"
PYTHON = FOLDER / "bin" / "python"
# The client of DuckDB finds here what its statement INSTALL would download.
HOME = FOLDER / "home"
PATHS = {"PATH": os.environ["PATH"], "HOME": str(HOME)}
EXTENSIONS = """
import duckdb, duckdb_extension_postgres_scanner, pathlib
(file,) = pathlib.Path(duckdb_extension_postgres_scanner.__path__[0]).rglob("*.duckdb_extension")
duckdb.execute(f"install '{file}'")
"""


def install() -> None:
    """Install the clients, unless they are. Raises CalledProcessError when they cannot be installed."""
    from tests.integration import own_environment

    own_environment.commands("clients")
    if not HOME.exists():
        HOME.mkdir()
        environment = {**os.environ, "HOME": str(HOME)}
        subprocess.run([PYTHON, "-c", EXTENSIONS], check=True, capture_output=True, text=True, env=environment)


def block(part: str) -> str:
    """The one block of the page that has this text, untouched."""
    page = PAGE.read_text(encoding="utf-8")
    (found,) = (text for text in re.findall(r"^```\w+\n(.*?)^```", page, re.M | re.S) if part in text)
    return str(found)


class Process:
    """A client's process that runs one block, and stops before its last statement and after it."""

    def __init__(self, task: dict[str, Any], environment: dict[str, str], folder: Path) -> None:
        """Start it. `task` has the `text`, the `folder` to write to, and either `tables` or `reads_first`."""
        self.folder = Path(task["folder"])
        self._process = subprocess.Popen(
            [PYTHON, __file__], cwd=folder, env={**PATHS, **environment}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._input, self._output = self._process.stdin, self._process.stdout
        self._send(json.dumps(task))

    def wait(self) -> None:
        """Wait until it stops. Raises RuntimeError with its errors when it ended instead."""
        assert self._output is not None
        for line in self._output:
            if line == "ready\n":
                return
        raise RuntimeError(self._process.communicate()[1])

    def proceed(self) -> None:
        """Let it run until it stops again, or ends."""
        self._send("")
        self.wait()

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _send(self, line: str) -> None:
        assert self._input is not None
        self._input.write(line + "\n")
        self._input.flush()


def read(text: str, tables: Sequence[str], environment: dict[str, str], folder: Path, into: Path) -> None:
    """Run a block for each table, whose name takes the place of `dossier`, and write the rows to `into`/TABLE.arrow."""
    into.mkdir(exist_ok=True)
    process = Process({"text": text, "tables": tables, "folder": str(into)}, environment, folder)
    try:
        process.wait()
    finally:
        process.kill()


def _stop() -> None:
    print("ready", flush=True)
    if not sys.stdin.readline():
        sys.exit()


def _arrow(value: Any) -> Any:
    """The rows of any client as an Arrow table; a lazy one is read now."""
    import pyarrow as pa

    kind = type(value).__module__.partition(".")[0]
    if kind == "pandas":
        return pa.Table.from_pandas(value, preserve_index=False)
    read = {
        "polars": lambda: value.lazy().collect().to_arrow(), "_duckdb": lambda: value.to_arrow_table(), "duckdb": lambda: value.to_arrow_table(),
        "ibis": lambda: value.to_pyarrow(), "pyspark": lambda: value.toArrow(), "pyarrow": lambda: value.to_table(),
        "builtins": lambda: pa.Table.from_pylist([_dictionary(row) for row in value]),
    }  # fmt: skip
    return read[kind]()


def _dictionary(row: Any) -> dict[str, Any]:
    """A row of pyodbc by column; in Arrow's file the name of its type says what pyodbc made of it."""
    return {column[0]: value for column, value in zip(row.cursor_description, row, strict=True)}


def _write(value: Any, path: Path) -> None:
    import pyarrow as pa

    table = _arrow(value)
    path.parent.mkdir(exist_ok=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _run_tables(task: dict[str, Any]) -> None:
    for table in task["tables"]:
        variables: dict[str, Any] = {}
        exec(task["text"].replace("dossier", table), variables)
        _write(variables[f"{table}s"], Path(task["folder"]) / f"{table}.arrow")
        variables.clear()
        gc.collect()  # closes the connection
    _stop()


def _run_stages(task: dict[str, Any]) -> None:
    *first, last = ast.parse(task["text"]).body
    variables: dict[str, Any] = {}
    exec(compile(ast.Module(first, []), "block", "exec"), variables)
    folder = Path(task["folder"])
    if task["reads_first"]:
        _write(variables["dossiers"], folder / "0" / "dossiers.arrow")
    _stop()
    exec(compile(ast.Module([last], []), "block", "exec"), variables)
    for stage in ("1", "2"):
        for name in {"dossiers", "documents"} & set(variables):
            try:
                _write(variables[name], folder / stage / f"{name}.arrow")
            except Exception as error:  # noqa: BLE001  the clients have no common error
                (folder / stage).mkdir(exist_ok=True)
                (folder / stage / f"{name}.error").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
        _stop()


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    (_run_tables if "tables" in given else _run_stages)(given)
