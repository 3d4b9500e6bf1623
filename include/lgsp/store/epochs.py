"""The epoch of an installation: its number grows whenever its database was lost or set back.

The database counts batches and snapshots, so a database that was lost or restored from a copy would count them again from
an earlier number. `LGSP_HOME/epoch.json` has the epoch and the newest snapshot too, and the names of landed folders have
the epochs and numbers of all batches. A database that knows less is refused until `lgsp adopt` has read what it lacks,
which draws the next epoch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psycopg

from lgsp import files
from lgsp.errors import SettingError
from lgsp.settings import Settings
from lgsp.sql import one_row
from lgsp.store import decisions

Connection = psycopg.Connection[Any]

FIRST = 1
# The epoch and the number at the end of the name of a batch. Numbers grow over all epochs; the names of version 0.1.0 have none.
_NUMBER = re.compile(r"(?:\.(\d+)-|\.)(\d{6,})$")


@dataclass(frozen=True)
class Known:
    """The epoch, and the newest snapshot with its token, that are known outside the database; 0 where nothing is."""

    epoch: int = 0
    snapshot: int = 0
    token: int = 0


def known(settings: Settings) -> Known:
    """What is known outside the database: from `epoch.json` and the names of landed folders."""
    path = settings.home / "epoch.json"
    try:
        content = orjson.loads(path.read_bytes()) if path.exists() else {}
    except orjson.JSONDecodeError as error:
        raise SettingError(
            f"{path} is damaged ({error}): restore it from a backup, or remove it and run `lgsp adopt`"
        ) from None
    landed = max((epoch for epoch, _, _ in _landed(settings.landing)), default=0)
    return Known(max(landed, content.get("epoch", 0)), content.get("snapshot", 0), content.get("token", 0))


def record(settings: Settings, epoch: int = 0, snapshot: int = 0, token: int = 0) -> None:
    """Record the epoch, or the newest snapshot, outside the database; a smaller number than the recorded one changes nothing."""
    path, before = settings.home / "epoch.json", known(settings)
    after = Known(max(epoch, before.epoch), max(snapshot, before.snapshot), max(token, before.token))
    if after != before or not path.exists():
        files.replace(path, orjson.dumps(after, option=orjson.OPT_INDENT_2))


def current(connection: Connection) -> int:
    """The epoch of the database."""
    row = one_row(connection.execute("select max(epoch) as epoch from ledger.epoch"))
    return int(row["epoch"])


def landed_folders(landing: Path) -> Iterator[tuple[int, Path]]:
    """The number and folder of each batch in landing, of all sources, sealed or not."""
    return ((number, folder) for _, number, folder in _landed(landing))


def _landed(landing: Path) -> Iterator[tuple[int, int, Path]]:
    """The epoch, number and folder of each batch in landing."""
    for source in landing.iterdir() if landing.exists() else ():
        for folder in source.iterdir() if source.is_dir() else ():
            if match := _NUMBER.search(folder.name):
                yield int(match[1] or FIRST), int(match[2]), folder


def begin(settings: Settings, connection: Connection) -> None:
    """Begin the first epoch of a new database, and record the epoch of the database outside it."""
    connection.execute(
        "insert into ledger.epoch (epoch, why) select %s, 'the store was created' where not exists (select from ledger.epoch)",
        [FIRST],
    )
    record(settings, current(connection))


def draw(settings: Settings, connection: Connection, why: str, first_snapshot: int, first_token: int) -> int:
    """Begin the next epoch, after all that are known; its snapshots and tokens have at least these numbers."""
    epoch = max(current(connection), known(settings).epoch) + 1
    record(settings, epoch)  # first: a number that a crash leaves unused does no harm
    connection.execute(
        "insert into ledger.epoch (epoch, why, first_snapshot) values (%s, %s, %s)", [epoch, why, first_snapshot]
    )
    newest = max((number for number, _ in landed_folders(settings.landing)), default=0)
    connection.execute(
        "select setval('ledger.batch_number', greatest(%s, (select last_value from ledger.batch_number))), "
        "setval('ledger.publish_token', greatest(%s, (select last_value from ledger.publish_token)))",
        [newest + 1, first_token],
    )
    return epoch


def check(settings: Settings, connection: Connection) -> None:
    """Raise SettingError when landing has batches, or an epoch or snapshot is known, that the database does not have."""
    last, stored = _stored(connection)
    outside = known(settings)
    later = [folder for number, folder in landed_folders(settings.landing) if number > last]
    sealed = sorted(folder.name for folder in later if (folder / "manifest.json").exists())
    if sealed:
        what = f"lacks {len(sealed)} batches that were landed, such as {sealed[0]}"
    elif outside.snapshot > stored.snapshot:
        what = f"has snapshot {stored.snapshot}, but {outside.snapshot} was published"
    elif (decided := decisions.last(settings)) > decisions.newest(connection):
        what = f"lacks decisions of people, up to decision {decided}"
    elif outside.epoch > max(stored.epoch, FIRST):
        what = f"is of epoch {stored.epoch}, but epoch {outside.epoch} began"
    else:
        return
    raise SettingError(
        f"the database {what} (in {settings.home}): it was lost, or restored from an older copy. "
        "`lgsp adopt` reads what it lacks; until then nothing is changed"
    )


def _stored(connection: Connection) -> tuple[int, Known]:
    """The number of the newest batch, the epoch and the newest snapshot that the database has; 0 in a new one."""
    names = {"numbers": "ledger.batch_number", "epochs": "ledger.epoch", "publications": "ledger.publication"}
    exists = one_row(
        connection.execute("select " + ", ".join(f"to_regclass('{table}') as {name}" for name, table in names.items()))
    )
    queries = {
        "numbers": "coalesce(pg_sequence_last_value('ledger.batch_number'), 0)",
        "epochs": "(select coalesce(max(epoch), 0) from ledger.epoch)",
        # an epoch begins after all snapshots that were known when it was drawn
        "publications": "(select greatest(max(snapshot_id), (select max(first_snapshot) - 1 from ledger.epoch), 0) from ledger.publication)",
    }
    if not exists["epochs"]:
        queries["publications"] = "(select coalesce(max(snapshot_id), 0) from ledger.publication)"
    row = one_row(
        connection.execute("select " + ", ".join(f"{queries[name] if exists[name] else 0} as {name}" for name in names))
    )
    return int(row["numbers"]), Known(int(row["epochs"]), int(row["publications"]))
