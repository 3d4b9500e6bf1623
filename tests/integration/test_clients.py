"""The clients of docs/reading-the-data.md: its blocks, as they are written, read every row, and one snapshot."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
from sqlalchemy.engine import make_url

from lgsp.schema import contract
from lgsp.schema.contract import Contract
from lgsp.settings import Settings
from lgsp.snapshots import pointer
from lgsp.snapshots.object_store import Remote
from lgsp.store.embedded_postgres import Server
from lgsp.window import LOCAL
from tests.integration import client_tool
from tests.integration.conftest import WHOLE, Installation, installed
from tests.integration.reader_accounts import account
from tests.integration.stored_rows import Row, rows_of, stored_rows

pytestmark = pytest.mark.exhaustive

TYPES = {
    "text": r"(large_)?string(_view)?", "text[]": r"(large_)?list(_view)?<\w+: (large_)?string(_view)?.*>", "boolean": "bool", "integer": "int32",
    "bigint": "int64", "date": r"date32\[day\]", "timestamptz": r"timestamp\[us, tz=.+\]", "double precision": "double",
}  # fmt: skip
# pandas has no integer and no boolean with nulls, and no type for a column without values.
PANDAS_TYPES = TYPES | {"integer": "int64|double", "bigint": "int64|double", "text[]": r"list<\w+: (string|null)>"}
# psqlODBC and psql give some types as text: how to read it.
ODBC_TYPES = TYPES | {"integer": "int64", "boolean": "string", "text[]": "string", "timestamptz": r"timestamp\[us\]"}
TABLES = list(contract.names())


def _array(text: str) -> tuple[str, ...]:
    inner = text[1:-1]
    return tuple(next(csv.reader([inner], escapechar="\\", doublequote=False))) if inner else ()


Parsers = Mapping[str, Callable[[Any], Any]]
ODBC: Parsers = {
    "boolean": {"0": False, "1": True}.__getitem__, "text[]": _array, "timestamptz": lambda value: value.replace(tzinfo=LOCAL),
}  # fmt: skip
CSV: Parsers = {
    "boolean": {"t": True, "f": False}.__getitem__, "text[]": _array, "timestamptz": datetime.fromisoformat, "date": date.fromisoformat,
    "integer": int, "bigint": int, "double precision": float,
}  # fmt: skip


@dataclass(frozen=True)
class Client:
    """A block of the page, by a part of its text: it reads files or SQL, in one transaction unless it cannot."""

    part: str
    is_on_files: bool = False
    is_transaction: bool = True
    types: Mapping[str, str] = field(default_factory=lambda: TYPES)
    parsers: Parsers = field(default_factory=dict)
    tables: tuple[str, ...] = ("dossier", "document")

    @property
    def text(self) -> str:
        """The block, untouched; on object storage after the one that finds the files."""
        found = client_tool.block(self.part)
        return found if self.tables == ("dossier", "document") else client_tool.block("current.json") + found


CLIENTS = {
    "polars": Client("pl.read_database("),
    "polars on files": Client("pl.scan_parquet(f", is_on_files=True),
    "DuckDB": Client("load postgres"),
    "DuckDB on files": Client("from read_parquet('{snapshot}", is_on_files=True),
    "pandas": Client("pd.read_sql(", types=PANDAS_TYPES),
    "ibis": Client("ibis.connect", is_transaction=False),
    "ibis on files": Client("ibis.read_parquet", is_on_files=True),
    "polars on S3": Client("pl.scan_parquet([", is_on_files=True, tables=("dossier",)),
    "pyarrow on S3": Client("pyarrow.dataset.dataset(files", is_on_files=True, tables=("dossier",)),
    "DuckDB on S3": Client("lgsp.read_parquet([", is_on_files=True, tables=("dossier",)),
    "ODBC": Client("pyodbc.connect", types=ODBC_TYPES, parsers=ODBC),
}


@pytest.fixture(scope="module", autouse=True)
def tool() -> None:
    """The clients, installed."""
    try:
        client_tool.install()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"NOT PROVEN, the clients of the page: they cannot be installed here: {error.stderr}")


S3 = "s3://bucket/prefix"  # as the page has it
PSQL = "\\copy"


@dataclass(frozen=True)
class Overtaken:
    """What clients got whose block was interrupted by a publication, and which used it again after their snapshot was retired.

    `old` and `new` have the rows of the two snapshots; `folder` has a folder for each client.
    """

    installation: Installation
    old: dict[str, Counter[Row]]
    new: dict[str, Counter[Row]]
    folder: Path

    def rows(self, client: str, stage: int, table: str) -> Counter[Row] | None:
        """The rows of a table that a client got after the publication (1) or the retirement (2); None when it failed."""
        folder = self.folder / client / "read" / str(stage)
        if (folder / f"{table}s.error").exists():
            return None
        return _rows(contract.load(table), _table(folder / f"{table}s.arrow"), CLIENTS[client].parsers)


def _table(path: Path) -> pa.Table:
    return pa.ipc.open_file(path).read_all()


def _csv(path: Path) -> pa.Table:
    """A file of psql, all columns as text: only an empty value without quotes is null."""
    names = next(csv.reader(path.open(encoding="utf-8")))
    options = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=False,
    )  # fmt: skip
    return pa.csv.read_csv(path, convert_options=options, parse_options=pa.csv.ParseOptions(newlines_in_values=True))


def _rows(table: Contract, read: pa.Table, parsers: Parsers) -> Counter[Row]:
    """The rows that a client read; a client that gives rows without their columns has none for an empty table."""
    if not len(read):
        return Counter()
    parsed = [
        [None if value is None else parsers[column.type](value) for value in values]
        if column.type in parsers
        else values
        for column in table.columns
        for values in [read[column.name].to_pylist()]
    ]
    return rows_of(table, zip(*parsed, strict=True))


def _environment(address: str) -> dict[str, str]:
    """The variables of the page, and those of object storage; the server and the storage of tests have no TLS."""
    url = make_url(address)
    values = {"Server": url.host, "Port": url.port, "Database": url.database, "UID": url.username, "PWD": url.password, "SSLmode": "disable"}  # fmt: skip
    odbc = client_tool.block("Driver={PostgreSQL Unicode}").strip()
    for name, value in values.items():
        odbc = re.sub(rf";{name}=[^;]*", f";{name}={value}", odbc)
    storage = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {"LGSP_SQL": address, "LGSP_ODBC": odbc, "AWS_ALLOW_HTTP": "true", **storage}


def _leave_out(client: str) -> None:
    if client == "ODBC" and not Path("/etc/odbcinst.ini").exists():
        pytest.skip("NOT PROVEN, ODBC: needs psqlODBC and unixODBC (Debian's odbc-postgresql and unixodbc)")


def _folder(installation: Installation, folder: Path) -> Path:
    """A new folder in which a block finds the files where the page has them."""
    (folder / "read").mkdir(parents=True)
    (folder / ".lgsp").symlink_to(installation.settings.home)
    return folder


def _processes(installation: Installation, folder: Path, stack: ExitStack) -> Iterator[client_tool.Process]:
    """The processes of all clients, each stopped before the last statement of its block."""
    for name, client in CLIENTS.items():
        if name == "ODBC" and not Path("/etc/odbcinst.ini").exists():
            continue
        address = stack.enter_context(account(installation))
        place = _folder(installation, folder / name)
        task = {"text": client.text, "folder": str(place / "read"), "reads_first": not client.is_on_files}
        process = client_tool.Process(task, _environment(address), place)
        stack.callback(process.kill)
        process.wait()
        yield process


@pytest.fixture(scope="module")
def overtaken(
    endpoint: str, server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Overtaken]:
    """All clients, overtaken by the same publication and then by the retirement of their snapshot."""
    folder = tmp_path_factory.mktemp("overtaken")
    plain = installed(server, folder, quiet_province)
    installation = Installation(Settings.from_env({**plain.settings.environment, "LGSP_SHARED_URL": S3}))
    remote = Remote.open(S3)
    remote.bucket.client.create_bucket(Bucket=remote.bucket.name)
    first, second = WHOLE.split(6)
    installation.ingest_all(first)
    installation.publish()
    installation.ingest_all(second)
    old = stored_rows(installation)
    with ExitStack() as stack:
        processes = list(_processes(installation, folder, stack))
        psql = stack.enter_context(
            _psql(stack.enter_context(account(installation)), _folder(installation, folder / "psql"))
        )
        installation.publish()
        psql()
        for process in processes:
            process.proceed()
        pointer.retire(installation.settings.shared, 1)
        replace(remote, grace=timedelta(0)).retire([1])
        for process in processes:
            process.proceed()
        yield Overtaken(installation, old, stored_rows(installation), folder)


@contextmanager
def _psql(address: str, folder: Path) -> Iterator[Callable[[], None]]:
    """The documented session of psql, stopped before its last statement; the function lets it end."""
    command, *lines, last, _ = _psql_block().splitlines()
    shell = ["sh", "-c", command.partition(" <<")[0]]
    environment = {**client_tool.PATHS, "LGSP_SQL": address}
    with subprocess.Popen(
        shell, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdin is not None
        print(*lines, "\\! touch first", sep="\n", file=session.stdin, flush=True)
        limit = time.monotonic() + 60
        while not (folder / "first").exists():
            assert session.poll() is None and time.monotonic() < limit
            time.sleep(0.05)
        yield lambda: (session.communicate(f"{last}\n"), None)[1]
        assert session.returncode == 0


def _psql_block() -> str:
    return client_tool.block(PSQL)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_reads_every_row_in_its_type(name: str, overtaken: Overtaken, tmp_path: Path) -> None:
    _leave_out(name)
    client = CLIENTS[name]
    with account(overtaken.installation) as address:
        folder = _folder(overtaken.installation, tmp_path / name)
        client_tool.read(client.text, TABLES, _environment(address), folder, folder / "read")
    for table in contract.every():
        read = _table(folder / "read" / f"{table.name}.arrow")
        for column in table.columns if len(read) else ():
            values = read[column.name]
            is_right = re.fullmatch(client.types[column.type], str(values.type))
            assert is_right or values.null_count == len(read), (table.name, column.name, values.type)
        assert _rows(table, read, client.parsers) == overtaken.new[table.name], table.name


def test_psql_writes_every_row(overtaken: Overtaken, tmp_path: Path) -> None:
    folder = _folder(overtaken.installation, tmp_path / "psql")
    with account(overtaken.installation) as address:
        for table in contract.every():
            text = _psql_block().replace("dossier", table.name)
            environment = {**client_tool.PATHS, "LGSP_SQL": address}
            subprocess.run(["sh", "-euc", text], cwd=folder, env=environment, check=True, capture_output=True)
            read = _csv(folder / f"{table.name}s.csv")
            assert _rows(table, read, CSV) == overtaken.new[table.name], table.name


@pytest.mark.parametrize("name", CLIENTS)
def test_a_transaction_or_folder_keeps_its_snapshot(name: str, overtaken: Overtaken) -> None:
    _leave_out(name)
    for table in CLIENTS[name].tables:
        expected = overtaken.old if CLIENTS[name].is_transaction else overtaken.new
        assert overtaken.rows(name, 1, table) == expected[table], table
        assert overtaken.old[table] != overtaken.new[table]


def test_a_session_of_psql_keeps_its_snapshot(overtaken: Overtaken) -> None:
    for table in ("dossier", "document"):
        read = _csv(overtaken.folder / "psql" / f"{table}s.csv")
        assert _rows(contract.load(table), read, CSV) == overtaken.old[table], table


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_never_gets_rows_of_two_snapshots(name: str, overtaken: Overtaken) -> None:
    _leave_out(name)
    for table in CLIENTS[name].tables:
        rows = overtaken.rows(name, 2, table)
        if CLIENTS[name].is_on_files:
            assert rows is None or rows == overtaken.old[table], "files of the retired snapshot, or an error"
        else:
            assert rows == overtaken.rows(name, 1, table)


def test_dbt_tests_a_source_and_builds_a_model(overtaken: Overtaken, tmp_path: Path) -> None:
    for part in ("# profiles.yml", "# models/lgsp.yml"):
        text = client_tool.block(part)
        path = tmp_path / text.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "dbt_project.yml").write_text("name: province\nprofile: province\n", encoding="utf-8")
    model = 'select dossier_id, received_at, quality_flags from {{ source("lgsp", "dossier") }}'
    (tmp_path / "models" / "dossiers.sql").write_text(model, encoding="utf-8")
    snapshot = str((overtaken.installation.settings.shared / "current").resolve())
    dbt = [client_tool.PYTHON.with_name("dbt"), "--no-send-anonymous-usage-stats", "build"]
    done = subprocess.run(
        dbt, cwd=tmp_path, env={**client_tool.PATHS, "LGSP_SNAPSHOT": snapshot}, capture_output=True, text=True
    )
    assert done.returncode == 0 and "PASS=3" in done.stdout, done.stdout
    query = "import duckdb, os; dossiers = duckdb.connect('province.duckdb').sql('from dossiers')\n#dossier"
    client_tool.read(query, ["dossier"], {}, tmp_path, tmp_path / "read")
    read, names = _table(tmp_path / "read" / "dossier.arrow"), contract.load("dossier").names
    places = [names.index(name) for name in ("dossier_id", "received_at", "quality_flags")]
    built = {
        (key, at and at.astimezone(UTC), tuple(flags))
        for key, at, flags in zip(*(c.to_pylist() for c in read.columns), strict=True)
    }
    assert built == {tuple(row[place] for place in places) for row in overtaken.new["dossier"]}
