"""Find the batches that were harmonised with other values than those in use, and the commands that derive them again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from lgsp import config
from lgsp.check import quarantine
from lgsp.config import SHIPPED
from lgsp.config.copies import Copies
from lgsp.configure import values
from lgsp.configure.values import Key
from lgsp.schema import codelists, contract, records, sources
from lgsp.settings import Settings
from lgsp.store.ledger import Connection
from lgsp.vietnam import holiday_overrides, territory_files
from lgsp.window import LOCAL, Window

# The newest batch of each landing folder; redriven records are in batches of their own. A batch without a hash is of a version
# before the hash was recorded.
BATCHES = """
select coalesce(config_hash, %(shipped)s) as config_hash, source, count(*) as batches, min(window_from) as window_from, max(window_to) as window_to
from (
    select distinct on (landing_path) config_hash, source, window_from, window_to from ledger.batch
    where purpose <> 'redrive' and harmonised_at is not null order by landing_path, harmonised_at desc
) newest
where coalesce(config_hash, %(shipped)s) <> %(active)s
group by 1, 2 order by 2, 4
"""
WAITING = f"""
select count(distinct (source, kind, source_key, record_hash)) as records from ledger.quarantine q
where {quarantine.IS_WAITING} and source = %s and rule_id = any(%s)
"""


@dataclass(frozen=True)
class Outdated:
    """Batches of a source with other values: how many, over which window, which files differ, and what to run."""

    source: str
    batches: int
    window: Window
    files: tuple[str, ...]
    command: str


def find(settings: Settings, connection: Connection) -> list[Outdated]:
    """The batches whose rows would differ if they were harmonised again with the values that are in use now.

    A value that only adds a code concerns the records that wait in quarantine for it; `lgsp quarantine redrive` processes
    them. Where a batch was harmonised with files whose copy is lost, all its values may differ.
    """
    copies, active = Copies(settings.home), config.active()
    found: list[Outdated] = []
    rows = connection.execute(BATCHES, {"shipped": SHIPPED.hash, "active": active.hash}).fetchall()
    for row in rows:
        before = copies.find(row["config_hash"])
        changes = values.different(before, active) if before else None
        window = Window(row["window_from"], row["window_to"])
        found += _of_source(connection, row["source"], row["batches"], window, changes)
    return found


def _of_source(
    connection: Connection, source: str, batches: int, window: Window, changes: list[tuple[Key, str | None, str | None]] | None
) -> Iterable[Outdated]:  # fmt: skip
    start, end = (moment.astimezone(LOCAL).isoformat() for moment in (window.start, window.end))
    rebuild = f"lgsp rebuild {source} --from {start} --to {end}"
    if changes is None:
        yield Outdated(source, batches, window, ("the copy of their files is lost",), rebuild)
        return
    added: dict[str, list[str]] = defaultdict(list)
    altered: set[str] = set()
    for (file, keys), before, after in changes:
        if not _concerns(file, keys, source):
            continue
        if before is None and after not in (None, values.LISTED) and (rules := _rules(file)):
            added[file] += rules
        else:
            altered.add(file)
    if altered:
        yield Outdated(source, batches, window, tuple(sorted({*altered, *added})), rebuild)
        return
    for file, rules in added.items():
        row = connection.execute(WAITING, [source, rules]).fetchone()
        if row and row["records"]:
            for rule in sorted(set(rules)):
                yield Outdated(
                    source, batches, window, (file,), f"lgsp quarantine redrive --source {source} --rule {rule}"
                )


def _rules(file: str) -> list[str]:
    """The rules that quarantine a record whose code a list lacks; none for a list without which a record is published too."""
    every = [rule for kind in records.KINDS for rule in contract.rules(kind)]
    if of_list := [rule for rule in every if rule.fix == file]:
        return [rule.id for rule in of_list if rule.is_blocking]
    is_of_dossiers = not file.endswith(("/agency_code.yml", "/organisation_alias.yml"))
    return [rule.id for rule in every if is_of_dossiers and rule.is_blocking and "unknown_codes" in rule.bad]


def _concerns(file: str, keys: tuple[str, ...], source: str) -> bool:
    """Whether a value decides how the records of a source are harmonised; a publication derives the rest by itself."""
    folder, _, name = file.rpartition("/")
    if folder == codelists.OWN:
        return name != "organisation_alias.yml" and (keys[0] == source or keys[0] not in sources.names())
    if folder == sources.OWN_CORRECTIONS:
        return name == f"{source}.yml"
    if folder == territory_files.OWN or file == holiday_overrides.OWN:
        return source in sources.of_dossiers()
    return False
