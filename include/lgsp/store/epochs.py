"""The epoch of an installation: its number grows whenever its database was lost or set back.

The database counts batches and snapshots, so a database that was lost or restored from a copy would count them again from
an earlier number. What was landed outlives the database: the file `landing/epoch.json` has the epoch too, and the folders
in landing show which batches there were. A database that knows less than landing is refused until `lgsp adopt` has read
what it lacks, which draws the next epoch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg

from lgsp import files
from lgsp.errors import SettingError
from lgsp.settings import Settings
from lgsp.sql import one_row

Connection = psycopg.Connection[Any]

FIRST = 1
# The number at the end of the name of a batch, which grows over all epochs.
_NUMBER = re.compile(r"[.-](\d{6,})$")


def current(connection: Connection) -> int:
    """The epoch of the database."""
    row = one_row(connection.execute("select max(epoch) as epoch from ledger.epoch"))
    return int(row["epoch"])


def in_landing(landing: Path) -> int:
    """The epoch of what was landed; 0 when it was never written."""
    path = landing / "epoch.json"
    return int(orjson.loads(path.read_bytes())["epoch"]) if path.exists() else 0


def landed_folders(landing: Path) -> Iterator[tuple[int, Path]]:
    """The number and folder of each batch in landing, of all sources, sealed or not."""
    for source in landing.iterdir() if landing.exists() else ():
        for folder in source.iterdir() if source.is_dir() else ():
            if match := _NUMBER.search(folder.name):
                yield int(match[1]), folder


def begin(settings: Settings, connection: Connection) -> None:
    """Begin the first epoch of a new database, and write the epoch of the database to landing where it is missing."""
    connection.execute(
        "insert into ledger.epoch (epoch, why) select %s, 'the store was created' where not exists (select from ledger.epoch)",
        [FIRST],
    )
    if in_landing(settings.landing) < (epoch := current(connection)):
        _write(settings.landing, epoch, "the store was created")


def draw(settings: Settings, connection: Connection, why: str, first_snapshot: int) -> int:
    """Begin the next epoch, after those of the database and of landing; its snapshots have numbers from `first_snapshot` on."""
    epoch = max(current(connection), in_landing(settings.landing)) + 1
    _write(settings.landing, epoch, why)  # first: a number that a crash leaves unused does no harm
    connection.execute(
        "insert into ledger.epoch (epoch, why, first_snapshot) values (%s, %s, %s)", [epoch, why, first_snapshot]
    )
    newest = max((number for number, _ in landed_folders(settings.landing)), default=0)
    connection.execute(
        "select setval('ledger.batch_number', greatest(%s, (select last_value from ledger.batch_number)))", [newest + 1]
    )
    return epoch


def check(settings: Settings, connection: Connection) -> None:
    """Raise SettingError when landing has batches, or is of an epoch, that the database does not know."""
    last, epoch = _known(connection)
    later = [folder for number, folder in landed_folders(settings.landing) if number > last]
    sealed = sorted(folder.name for folder in later if (folder / "manifest.json").exists())
    what = (
        f"lacks {len(sealed)} batches that were landed, such as {sealed[0]}"
        if sealed
        else f"is of epoch {epoch}, but what was landed is of epoch {in_landing(settings.landing)}"
    )
    if sealed or in_landing(settings.landing) > max(epoch, FIRST):
        raise SettingError(
            f"the database {what} (in {settings.landing}): it was lost, or restored from an older copy. "
            "`lgsp adopt` reads what it lacks; until then nothing is changed"
        )


def _known(connection: Connection) -> tuple[int, int]:
    """The number of the newest batch and the epoch that the database knows; 0 in a new one."""
    exists = one_row(
        connection.execute(
            "select to_regclass('ledger.batch_number') as numbers, to_regclass('ledger.epoch') as epochs"
        )
    )
    numbers = "coalesce(pg_sequence_last_value('ledger.batch_number'), 0)" if exists["numbers"] else "0"
    epochs = "(select coalesce(max(epoch), 0) from ledger.epoch)" if exists["epochs"] else "0"
    row = one_row(connection.execute(f"select {numbers} as number, {epochs} as epoch"))
    return int(row["number"]), int(row["epoch"])


def _write(landing: Path, epoch: int, why: str) -> None:
    content = {"epoch": epoch, "since": datetime.now().astimezone().isoformat(), "why": why}
    files.replace(landing / "epoch.json", orjson.dumps(content, option=orjson.OPT_INDENT_2))
