"""Measure the indicators: from a year of dossiers, after the changes of a day, and after corrections over the year.

    python -m tests.bench.indicators --dossiers 1000000

The dossiers are those of a small simulated province, repeated over neighbouring days. Quote ratios: seconds depend on the
machine, CPU seconds less than elapsed seconds.
"""

from __future__ import annotations

import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path

import click
import psutil

from lgsp import install, store
from lgsp.indicators import compute, definitions, dossier_flows
from lgsp.publish import indicator_tables, merge, reference_tables
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.snapshots.changes import Changes
from lgsp.store.embedded_postgres import Server
from lgsp.store.transaction import Transaction, publishing, reading
from lgsp.window import LOCAL
from lgsp_province import World
from lgsp_province.truth.truth import truth_of
from lgsp_province.world import agencies, services
from tests import samples

FIRST, LAST = date(2025, 11, 1), date(2026, 10, 31)
SEED_DOSSIERS = 50_000
CHANGED = 4_000
COMPUTED = {
    "opened_on": "coalesce(received_on, submitted_at::date) + shift", "paused_working_minutes": "0", "has_conflict": "false",
    "is_withdrawn": "status = 'withdrawn'", "is_paused": "status in ('supplement_requested', 'payment_requested', 'suspended')",
    "source_updated_at": "coalesce(finished_at, received_at, submitted_at) + interval '1 day' * shift", "dossier_id": "dossier_id || '.' || n",
    "online_level": "2 + abs(hashtext(service_code)) % 3", "online_mode": "(array['information', 'partial', 'full'])[1 + abs(hashtext(service_code)) % 3]",
    "due_first_at": "due_at + interval '1 day' * shift", "is_paid_online": "channel = 'online' and fee_vnd > 0", "has_digital_result": "n % 2 = 0",
    "digitised_component_count": "n % 3", "reused_component_count": "n % 2", "satisfaction": "case when finished_on is not null and n % 4 = 0 then 1 + n % 5 end",
    **{name: f"{name} + shift" for name in ("received_on", "due_on", "finished_on")},
    **{f"{name}_at": f"{name}_at + interval '1 day' * shift" for name in ("submitted", "received", "due", "finished", "closed")},
}  # fmt: skip
COPIED = ("service_code", "receiving_organisation_id", "channel", "status", "is_on_time", "fee_vnd", "in_one_stop", "in_online_services")  # fmt: skip
MODES = {2: "information", 3: "partial", 4: "full"}
# Half of a day's dossiers are new, half were open and are now finished; corrections change a dossier's day and procedure.
NEW_QUERY = "select {columns} from shared.dossier where received_on = date '{day}' - 7 or received_on = date '{day}' - 8 limit {half}"
FINISHED_QUERY = "select {columns} from shared.dossier where finished_on is null and status not in ('withdrawn', 'not_accepted') and received_on is not null order by dossier_id limit {half}"


@click.command()
@click.option("--dossiers", default=1_000_000, show_default=True)
def main(dossiers: int) -> None:
    """Measure the indicators on a store with that number of dossiers."""
    with tempfile.TemporaryDirectory(prefix="lgsp-bench-") as home:
        settings = Settings.from_env({"LGSP_HOME": home, "LGSP_TOKEN_KEY": "only-for-measuring"})
        try:
            install.init(settings)
            _fill(settings, dossiers)
            for name, snapshot_id, changes in (("all", 1, ()), ("a day", 2, _day(LAST + timedelta(days=1))),
                                               ("the next day", 3, _day(LAST + timedelta(days=2))), ("corrections", 4, (_corrections(),))):  # fmt: skip
                _measure(settings, name, snapshot_id, changes)
            with reading(store.url(settings)) as transaction:
                assert dossier_flows.count_differences(transaction) == 0
        finally:
            Server(Path(home)).stop()


def _measure(settings: Settings, name: str, snapshot_id: int, changes: tuple[str, ...]) -> None:
    with publishing(store.url(settings)) as transaction:
        dossier, days = contract.load("dossier"), LAST + timedelta(days=min(snapshot_id - 1, 2) + 1)
        for query in changes:
            merge.stage_query(transaction, dossier, query)
            merge.merge_staged(transaction, dossier, "s.dossier_id in (select dossier_id from new_dossier)", snapshot_id, Changes())  # fmt: skip
        for source in ("one_stop_shop", "online_services"):
            transaction.do(
                "insert into ledger.batch (batch_id, source, window_from, window_to, state, landing_path, fetched_count, published_count) values "
                f"('{source}.{snapshot_id}', '{source}', '{FIRST} 00:00+07', '{days} 00:00+07', 'published', '', 1, 1)"
            )
        compute.stage_periods(transaction)
        compute.stage_quarantined(transaction)
        server = psutil.Process(transaction.one("select pg_backend_pid()"))
        started, cpu, changed = time.monotonic(), sum(server.cpu_times()[:2]), Changes()
        is_every = compute.update_sums(transaction, snapshot_id, is_all=False)
        parts = [f"sums {time.monotonic() - started:.2f} s"]
        for table in indicator_tables.TABLES:
            table_started = time.monotonic()
            merge.merge_query(
                transaction,
                table,
                compute.indicator_query(table),
                snapshot_id,
                changed,
                compute.recompute_scope(table, is_every),
            )
            parts.append(f"{table} {time.monotonic() - table_started:.2f} s ({changed.rows[table]:,} rows)")
        click.echo(
            f"{name:<14}{time.monotonic() - started:>7.2f} s, CPU of the server {sum(server.cpu_times()[:2]) - cpu:.2f} s: {', '.join(parts)}"
        )
        transaction.commit()


def _day(day: date) -> tuple[str, ...]:
    columns = [name for name in contract.load("dossier").names if name != "snapshot_id"]
    new = {"dossier_id": f"'{day}.' || dossier_id", "received_on": f"date '{day}'", "due_on": f"date '{day}' + 5", "finished_on": "null::date",
           "status": "'processing'", "closed_at": "null::timestamptz"}  # fmt: skip
    finished = {"finished_on": f"date '{day}'", "status": "'finished'"}
    return (
        NEW_QUERY.format(columns=_select_list(columns, new), day=day, half=CHANGED // 2),
        FINISHED_QUERY.format(columns=_select_list(columns, finished), half=CHANGED // 2),
    )


def _corrections() -> str:
    columns = [name for name in contract.load("dossier").names if name != "snapshot_id"]
    moved = {"received_on": "received_on - 1", "service_code": "'UNKNOWN'"}
    return f"select {_select_list(columns, moved)} from shared.dossier tablesample system (1) limit {CHANGED}"


def _select_list(columns: list[str], replaced: dict[str, str]) -> str:
    return ", ".join(f"{replaced[name]} as {name}" if name in replaced else name for name in columns)


def _fill(settings: Settings, dossiers: int) -> None:
    world = World.generate("province", 7, FIRST, LAST, dossiers_count=SEED_DOSSIERS, documents_count=60)
    truth = truth_of(world, int(datetime(LAST.year, LAST.month, LAST.day, tzinfo=LOCAL).timestamp()) + 86_400)
    seed = truth.tables["dossiers"].drop_columns(["agency_code", "event_count"])
    copies = -(-dossiers // seed.num_rows)
    with publishing(store.url(settings)) as transaction:
        transaction.do(
            f"create temporary table seed as select {', '.join(seed.column_names)} from shared.dossier limit 0"
        )
        transaction.load("seed", seed)
        names = [*COMPUTED, *COPIED]
        values = ", ".join(COMPUTED.get(name, name) for name in names)
        transaction.do(
            f"insert into shared.dossier ({', '.join(names)}, snapshot_id) select {values}, 1 "
            f"from seed cross join (select n, (n % 7 - 3)::int as shift from generate_series(1, {copies}) n) copies limit {dossiers}"
        )
        _fill_reference_tables(transaction)
        transaction.commit()
    with store.connect(settings) as connection:
        connection.execute("analyze")


def _fill_reference_tables(transaction: Transaction) -> None:
    organisation_rows = [
        {"organisation_id": a.new_code, "valid_from": a.valid_from, "valid_to": a.valid_to, "name": a.name,
         "level": agencies.LEVELS[a.level], "kind": "department", "is_current": a.valid_to is None}
        for a in agencies.load()
    ]  # fmt: skip
    service_rows = [
        {"service_code": s.code, "valid_from": date(2016, 4, 1), "name": s.name, "field_code": s.field_code, "is_integrated_national": False}
        for s in services.load()
    ]  # fmt: skip
    catalogue = services.default_catalogue()
    offering_rows = [
        {"service_code": s.code, "organisation_id": a.new_code, "valid_from": catalogue.offered_from(s, a), "valid_to": a.valid_to,
         "online_level": s.online_level, "online_mode": MODES[s.online_level], "is_integrated_national": s.is_integrated,
         "integrated_on": s.integrated_on}
        for s, a in catalogue.offerings
    ]  # fmt: skip
    reference_tables.merge_tables(transaction, 1, Changes(), definitions.NAMES)
    for name, rows in (
        ("organisation", organisation_rows),
        ("service", service_rows),
        ("service_offering", offering_rows),
    ):
        shared = contract.load(name)
        merge.stage_rows(transaction, shared, samples.arrow_rows(shared, rows))
        merge.merge_staged(transaction, shared, "true", 1, Changes())


if __name__ == "__main__":
    main()
