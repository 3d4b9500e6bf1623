"""The decisions of people: recorded in the ledger, and in `LGSP_HOME/decisions.jsonl`, which outlives the database.

They are all that a database has and landing does not. After a loss `lgsp adopt` reads them from the file, and applies them
to the rows that are made again from landing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import psycopg

from lgsp import files, sql
from lgsp.settings import Settings
from lgsp.sql import one_row

Connection = psycopg.Connection[Any]

COLUMNS = "what, subject, verdict, value, decided_by, why, decided_at"
_AS_TEXT = COLUMNS.replace(
    "decided_at", """to_char(decided_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') as decided_at"""
)

# Records what was decided in this transaction: the rows that it changed have its time. A second rollback keeps the time of the hold.
RECORD = f"""
insert into ledger.decision ({COLUMNS})
select {COLUMNS} from ledger.decided d where decided_at = now() or what = 'hold' and not exists (
    select from ledger.decision where what = 'hold' and (verdict, decided_by, why) = (d.verdict, d.decided_by, d.why)
        and decision_id = (select max(decision_id) from ledger.decision where what = 'hold'))
"""


def record(connection: Connection) -> None:
    """Record what was decided in this transaction; `write_journal` writes it to the file after the commit."""
    connection.execute(RECORD)


def journal(settings: Settings) -> Path:
    """The file with all decisions: one JSON object in each line, with the columns of ledger.decision."""
    return settings.home / "decisions.jsonl"


def write_journal(settings: Settings, connection: Connection) -> int:
    """Append the committed decisions that the file does not have; their number. Call it after each commit of a decision."""
    path = journal(settings)
    if not _lacking(settings, connection):  # commands that only read work on a read-only disk
        return 0
    with files.locked(path.with_name(f".{path.name}.lock")):
        rows = _lacking(settings, connection)
        if rows:
            _append(path, [orjson.dumps(row) for row in rows])
    return len(rows)


def _lacking(settings: Settings, connection: Connection) -> list[dict[str, Any]]:
    """The decisions that the file lacks. Not by the largest number: one with a smaller number may be committed later."""
    return connection.execute(
        f"select decision_id, {_AS_TEXT} from ledger.decision where decision_id <> all(%s) order by 1",
        [[line["decision_id"] for line in read(settings)]],
    ).fetchall()


def read(settings: Settings) -> list[dict[str, Any]]:
    """The decisions in the file, by their number. A line that a crash left incomplete does not count."""
    path = journal(settings)
    content = path.read_bytes() if path.exists() else b""
    lines = (orjson.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines())
    return sorted(lines, key=lambda line: int(line["decision_id"]))


def last(settings: Settings) -> int:
    """The number of the last decision in the file; 0 without any."""
    path = journal(settings)
    if not path.exists():
        return 0
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 65_536, 0))
        complete = file.read().rpartition(b"\n")[0]
    return int(orjson.loads(complete.rpartition(b"\n")[2])["decision_id"]) if complete else 0


def newest(connection: Connection) -> int:
    """The number of the last decision in the database; 0 without any, or in a store of an older version."""
    row = one_row(connection.execute("select to_regclass('ledger.decision') is not null as exists"))
    if not row["exists"]:
        return 0
    return int(one_row(connection.execute("select coalesce(max(decision_id), 0) as newest from ledger.decision"))["newest"])  # fmt: skip


def adopt(settings: Settings, connection: Connection) -> int:
    """Write the decisions of the file, that the database lacks, into it again; their number.

    What is decided about windows, agencies and publishing applies at once; `apply` applies the others.
    """
    stored = {row["decision_id"] for row in connection.execute("select decision_id from ledger.decision").fetchall()}
    lacking = [line for line in read(settings) if line["decision_id"] not in stored]
    for line in lacking:
        connection.execute(
            f"insert into ledger.decision (decision_id, {COLUMNS}) values (%s, %s, %s, %s, %s, %s, %s, %s)",
            [*(line[name] for name in ("decision_id", "what")), orjson.dumps(line["subject"]).decode(),
             *(line[name] for name in ("verdict", "value", "decided_by", "why", "decided_at"))],
        )  # fmt: skip
    if lacking:
        connection.execute(
            "select setval(pg_get_serial_sequence('ledger.decision', 'decision_id'), max(decision_id)) from ledger.decision"
        )
        connection.execute(sql.load("lgsp.store", "decisions/apply_at_once"))
    return len(lacking)


def apply_withdrawals(connection: Connection) -> None:
    """Set landed batches that were taken back to `withdrawn`; those that are published are left to `maintain.withdraw`."""
    connection.execute(sql.load("lgsp.store", "decisions/apply_withdrawals"))


def apply(connection: Connection) -> tuple[list[int], list[int]]:
    """Apply the decisions about records and spellings to open rows: the ids of accepted rows, and of accepted spellings.

    The accepted rows must be redriven, and the windows with the spellings harmonised again.
    """
    rows = connection.execute(sql.load("lgsp.store", "decisions/apply_to_rows")).fetchall()
    spellings = connection.execute(sql.load("lgsp.store", "decisions/apply_to_spellings")).fetchall()
    return (
        [row["quarantine_id"] for row in rows if row["state"] == "accepted"],
        [row["review_id"] for row in spellings if row["state"] == "accepted"],
    )


def problems(settings: Settings, connection: Connection) -> list[str]:
    """What is decided in a table although nobody recorded the decision, and how the file differs from the database."""
    found = [
        f"ledger.{row['what']}: {row['subject']} is {row['verdict']} by {row['decided_by']}, but no such decision was recorded: altered by hand"
        for row in connection.execute(sql.load("lgsp.store", "decisions/unrecorded")).fetchall()
    ]
    stored = connection.execute(f"select decision_id, {_AS_TEXT} from ledger.decision order by 1").fetchall()
    in_database = [dict(row) for row in stored]
    if (in_file := read(settings)) != in_database:
        differing = next(
            (a or b for a, b in zip(in_file, in_database, strict=False) if a != b),
            (in_file + in_database)[min(len(in_file), len(in_database))] if len(in_file) != len(in_database) else {},
        )
        found.append(
            f"{journal(settings)} and ledger.decision differ, first in decision {differing.get('decision_id')}: one was altered by hand"
        )
    return found


def _append(path: Path, lines: list[bytes]) -> None:
    is_new = not path.exists()
    with path.open("ab") as file:
        os.fchmod(file.fileno(), files.PRIVATE)
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):  # a crash left a part of a line
            file.truncate(content.rfind(b"\n") + 1)
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        files.sync_folder(path.parent)
