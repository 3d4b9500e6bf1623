"""Completeness of each agency and day: silences, unread days and broken feeds, independent of the order of publications."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from lgsp import sql
from lgsp.check import completeness, freshness
from lgsp.cli.completeness import completeness as command
from lgsp.errors import LgspError
from lgsp.settings import Settings
from lgsp.store import connect, url
from lgsp.store.transaction import Transaction, publishing
from lgsp.vietnam import working_days
from lgsp.window import LOCAL, Window
from lgsp_province import World
from lgsp_province.score import score
from lgsp_province.world import agencies
from tests.exhaustive import exhaustive
from tests.integration.conftest import Installation, with_short_catalogue

ONE_STOP, PORTAL, DOCUMENTS = "one_stop_shop", "online_services", "documents"
FIRST = date(2026, 5, 4)  # a Monday
BUSY, QUIET = "H47.01", "H47.02"

Record = tuple[str, str, str, date, str, str]
"""A dossier record: (source, key, agency, day of receipt, channel, procedure)."""


@dataclass
class Store:
    """A store to which tests publish records and covered windows directly, without a source."""

    settings: Settings
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))

    def add_agencies(self, source: str, *agencies: str, until: date | None = None) -> None:
        """Add agencies to the list of a source; `until` is the day after their last valid day."""
        with connect(self.settings) as connection:
            for agency in agencies:
                connection.execute(
                    "insert into record.organisation (source, source_key, source_updated_at, content_hash, organisation_id, name) values (%s, %s, now(), '', %s, %s)",
                    [source, agency, agency, f"UBND {agency}"],
                )
                connection.execute(
                    "insert into record.organisation_version (organisation_id, valid_from, valid_to, name, level, kind) "
                    "values (%s, '2016-04-01', %s, %s, 'commune', 'peoples_committee') on conflict (organisation_id, valid_from) do update set valid_to = excluded.valid_to",
                    [agency, until, f"UBND {agency}"],
                )

    def publish(
        self, records: Iterable[Record] = (), covers: Iterable[tuple[str, date, date]] = (), is_all: bool = False
    ) -> None:
        """Publish the newest versions of records, and windows given as (source, first day, last day)."""
        with publishing(url(self.settings)) as transaction:
            ids = [self._batch(transaction, source, Window.of_days(first, last)) for source, first, last in covers]
            self._merge(transaction, list(records))
            completeness.collect_changes(transaction)
            transaction.do(sql.load("lgsp.indicators", "inputs/quarantined_records"))
            completeness.refresh(transaction, ids, is_all)
            for batch_id in ids:
                transaction.do(
                    "update ledger.batch set state = 'published', published_count = 1 where batch_id = $1::text",
                    batch_id,
                )
            transaction.commit()

    def _batch(self, transaction: Transaction, source: str, window: Window) -> str:
        batch_id = f"{source}.{next(self.numbers):06d}"
        transaction.do(
            "insert into ledger.batch (batch_id, source, window_from, window_to, state, landing_path, fetched_count, accepted_count) "
            "values ($1::text, $2::text, $3::text::timestamptz, $4::text::timestamptz, 'checked', '', 1, 1)",
            batch_id, source, window.start.isoformat(), window.end.isoformat(),
        )  # fmt: skip
        return batch_id

    def _merge(self, transaction: Transaction, records: list[Record]) -> None:
        for kind in ("dossier", "document"):
            for name in ("incoming", "before"):
                transaction.temporary(f"{name}_{kind}", f"record.{kind}")
        rows = ", ".join(
            f"('{source}', '{key}', '{agency}', '{datetime(day.year, day.month, day.day, 9, tzinfo=LOCAL).isoformat()}'::timestamptz, '{channel}', '{service}')"
            for source, key, agency, day, channel, service in records
        )
        if rows:
            transaction.do(
                "insert into incoming_dossier (source, source_key, receiving_organisation_id, received_at, channel, service_code, is_deleted) "
                f"select *, false from (values {rows}) r"
            )
        transaction.do(
            "insert into before_dossier select r.* from record.dossier r join incoming_dossier using (source, source_key)"
        )
        transaction.do(
            "delete from record.dossier r using incoming_dossier i where (r.source, r.source_key) = (i.source, i.source_key)"
        )
        transaction.do("insert into record.dossier select * from incoming_dossier")

    def states(self, source: str = ONE_STOP, agency: str = BUSY) -> dict[date, str]:
        """The state of each day of an agency."""
        rows = self.rows(
            "select day_on, state from ledger.completeness where source = %s and organisation_id = %s", source, agency
        )
        return {row["day_on"]: row["state"] for row in rows}

    def rows(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query."""
        with connect(self.settings) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def completeness(self) -> list[dict[str, Any]]:
        """All rows of `ledger.completeness`, in order."""
        return self.rows("select * from ledger.completeness order by source, organisation_id, day_on")

    def derive_all(self) -> None:
        """Delete all states, then count and derive everything again from the records."""
        with connect(self.settings) as connection:
            connection.execute("truncate ledger.completeness")
        self.publish(is_all=True)


@pytest.fixture
def make(install: Callable[..., Installation]) -> Callable[[], Store]:
    """Makes stores, each with its own database."""
    return lambda: Store(install({}).settings)


@pytest.fixture
def store(make: Callable[[], Store]) -> Store:
    """A store without records, in which both dossier sources list two agencies."""
    made = make()
    made.add_agencies(ONE_STOP, BUSY, QUIET)
    made.add_agencies(PORTAL, BUSY, QUIET)
    return made


def _working(first: date, count: int) -> list[date]:
    days = (first + timedelta(days=n) for n in range(3 * count + 30))
    return [day for day in days if working_days.is_working(day)][:count]


def _dossiers(days: Iterable[date], each: int, source: str = ONE_STOP, agency: str = BUSY, channel: str = "counter", service: str = "1.000001") -> list[Record]:  # fmt: skip
    return [
        (source, f"{agency}-{day}-{service}-{n}", agency, day, channel, service) for day in days for n in range(each)
    ]


def test_a_silence_is_zero_while_the_past_explains_its_length(store: Store) -> None:
    days = _working(FIRST, 26)
    past, silent = days[:20], days[20:]
    store.publish(_dossiers(past, 3), [(ONE_STOP, FIRST, silent[3])])
    assert {store.states()[day] for day in silent[:4]} == {"zero"}, (
        "twelve missing records prove nothing after a past of only four weeks"
    )
    store.publish(covers=[(ONE_STOP, silent[4], silent[4])])
    assert {store.states()[day] for day in silent[:5]} == {"missing"}, "the state of the whole silence changes"
    (gap,) = store.rows("select distinct reason, expected from ledger.completeness where state = 'missing'")
    assert gap["expected"] == 15.0 and "silent on 5 working days that usually bring 15" in gap["reason"]
    assert set(store.states(agency=QUIET).values()) == {"zero"}, "an agency that never sent a record is silent"
    store.publish(_dossiers(silent[:5], 1), [(ONE_STOP, silent[4], silent[5])])
    assert {store.states()[day] for day in silent[:5]} == {"received"}, "late records close the gap"
    assert _gaps(store) == []


def _gaps(store: Store, **options: Any) -> list[completeness.Gap]:
    with connect(store.settings) as connection:
        return completeness.gaps(connection, None, FIRST, FIRST + timedelta(days=400), **options)


def test_a_holiday_does_not_break_a_counter_open_once_a_week(store: Store) -> None:
    weeks = [day for day in _working(FIRST, 100) if day.weekday() == 2]
    store.publish(_dossiers(weeks[:10], 15), [(ONE_STOP, FIRST, weeks[11] - timedelta(days=1))])
    assert "missing" not in store.states().values(), "nine days without records where four are usual"
    store.publish(covers=[(ONE_STOP, weeks[11], weeks[13])])
    assert store.states()[weeks[12]] == "missing"


def test_online_dossiers_in_the_other_feed_show_a_broken_feed(store: Store) -> None:
    days = _working(FIRST, 40)
    in_both = [_dossiers(days[:30:2], 1, source, channel="online") for source in (ONE_STOP, PORTAL)]
    portal_only = _dossiers(days[30:36], 1, PORTAL, channel="online")
    store.publish(
        [*in_both[0], *in_both[1], *portal_only[:4]], [(ONE_STOP, FIRST, days[35]), (PORTAL, FIRST, days[35])]
    )
    assert store.states()[days[33]] == "zero"
    store.publish(portal_only[4:])
    assert store.states()[days[33]] == "missing"
    assert "6 that were submitted online" in str(_gaps(store)[0].reason)


def test_procedures_of_the_portal_alone_show_no_broken_feed(store: Store) -> None:
    days = _working(FIRST, 40)
    in_both = [_dossiers(days[:30:2], 1, source, channel="online") for source in (ONE_STOP, PORTAL)]
    portal_only = _dossiers(days[30:], 2, PORTAL, channel="online", service="1.000002")
    store.publish(
        [*in_both[0], *in_both[1], *portal_only], [(source, FIRST, days[-1]) for source in (ONE_STOP, PORTAL)]
    )
    assert "missing" not in store.states().values()
    store.publish(_dossiers(days[:1], 1, ONE_STOP, QUIET, "online", "1.000002"))
    assert store.states()[days[-1]] == "missing", (
        "once the one-stop-shop has had the procedure, it should have these dossiers"
    )
    expected = store.completeness()
    store.derive_all()
    assert store.completeness() == expected


def test_a_day_is_late_for_two_working_days_and_then_missing(store: Store) -> None:
    days = _working(FIRST, 12)
    store.publish(covers=[(ONE_STOP, FIRST, days[3]), (PORTAL, FIRST, days[6])])
    assert [store.states()[day] for day in days[3:7]] == ["zero", "late", "late", "late"]
    store.publish(covers=[(PORTAL, days[7], days[7])])
    assert [store.states()[day] for day in days[3:8]] == ["zero", "missing", "late", "late", "late"]
    store.publish(covers=[(ONE_STOP, days[6], days[7])])
    assert [store.states()[day] for day in days[3:8]] == ["zero", "missing", "missing", "zero", "zero"]
    assert {gap.reason for gap in _gaps(store)} == {"a hole: later days were read, this one was not"}
    store.publish(covers=[(ONE_STOP, days[4], days[5])])
    assert _gaps(store) == []


def test_only_batches_of_purpose_window_cover_days(store: Store) -> None:
    store.publish(covers=[(ONE_STOP, FIRST, FIRST)])
    with connect(store.settings) as connection:
        connection.execute("update ledger.batch set purpose = 'sweep'")
    store.publish()
    assert store.states() == {}


def test_a_silence_confirmed_by_an_operator_is_zero(store: Store) -> None:
    days = _working(FIRST, 40)
    store.publish(_dossiers(days[:20], 4), [(ONE_STOP, FIRST, days[29])])
    assert store.states()[days[29]] == "missing"
    gaps = completeness.confirm_silence(
        store.settings, ONE_STOP, BUSY, days[20], days[29], "Lan", "the building was flooded"
    )
    assert gaps == [] and store.states()[days[29]] == "zero"
    store.publish(covers=[(ONE_STOP, days[30], days[33])])
    assert store.states()[days[33]] == "missing" and store.states()[days[29]] == "zero", (
        "only the confirmed days are zero"
    )
    with pytest.raises(LgspError, match=r"lists no agency H47\.99"):
        completeness.confirm_silence(store.settings, ONE_STOP, "H47.99", days[20], days[21], "Lan", "no such agency")


def test_an_agency_has_states_while_it_is_in_force_and_listed(store: Store) -> None:
    days = _working(FIRST, 30)
    store.add_agencies(DOCUMENTS, "H47.03", until=days[22])
    store.publish(
        _dossiers(days[:20], 9, agency=BUSY), [(ONE_STOP, FIRST, days[-1]), (DOCUMENTS, days[5], days[-1])]
    )  # fmt: skip
    assert max(store.states(DOCUMENTS, "H47.03")) == days[22] - timedelta(days=1)
    assert min(store.states(DOCUMENTS, "H47.03")) == days[5], "from the first day that this source covers"
    assert store.states(ONE_STOP, "H47.03") == {}


def test_an_agency_is_not_missing_after_it_handed_over(store: Store) -> None:
    days, ends_on = _working(FIRST, 40), _working(FIRST, 40)[25]
    with connect(store.settings) as connection:
        connection.execute(
            "insert into shared.service_offering (service_code, organisation_id, valid_from, valid_to, snapshot_id) "
            "select code, organisation_id, '2018-07-01', valid_to, 1 from (values ('1.000001', %(busy)s, %(end)s), "
            "('1.000002', %(busy)s, %(end)s), ('1.000001', %(quiet)s, %(end)s), ('1.000002', %(quiet)s, null)) "
            "as o (code, organisation_id, valid_to)",
            {"busy": BUSY, "quiet": QUIET, "end": ends_on},
        )
        connection.execute(
            "update record.organisation_version set succeeded_by = 'H47.99', succeeded_on = '2020-01-01' where organisation_id = any(%s)",
            [[BUSY, QUIET]],
        )
    past = [*_dossiers(days[:25], 9), *_dossiers(days[:25], 9, agency=QUIET)]
    store.publish(past, [(ONE_STOP, FIRST, days[-1]), (PORTAL, FIRST, days[-1])])
    assert max(store.states()) == ends_on - timedelta(days=1) and set(store.states().values()) <= {"received", "zero"}
    assert store.states(agency=QUIET)[days[-1]] == "missing", "it still offers one procedure"


def test_quarantined_records_count_as_received(store: Store) -> None:
    store.publish(covers=[(ONE_STOP, FIRST, FIRST)])
    with connect(store.settings) as connection:
        connection.execute(
            "insert into ledger.quarantine (source, source_key, kind, rule_id, rule_version, reason, raw_pointer, record_hash, source_updated_at, organisation_id, occurred_on, batch_id) "
            "select source, 'x', 'dossier', 'R', '1', '', '', 'h', now(), %s, %s, batch_id from ledger.batch",
            [BUSY, FIRST],
        )
    store.publish()
    assert store.states() == {FIRST: "received"}
    with connect(store.settings) as connection:
        connection.execute("update ledger.quarantine set state = 'discarded'")
    store.publish()
    assert store.states() == {FIRST: "zero"}


@pytest.mark.parametrize("seed", [0, *exhaustive(1)])
def test_publications_in_any_order_give_the_same_completeness(seed: int, make: Callable[[], Store]) -> None:
    rng = random.Random(seed)
    stores, last = [make(), make()], FIRST + timedelta(days=150)
    publications = list(_random_publications(rng, last))
    for store in stores:
        for source in (ONE_STOP, PORTAL, DOCUMENTS):
            store.add_agencies(source, BUSY, QUIET, "H47.03")
        for records, covers in publications:
            store.publish(records, covers)
        expected = store.completeness()
        store.derive_all()
        assert store.completeness() == expected
        rng.shuffle(publications)
    assert stores[0].completeness() == stores[1].completeness()
    assert {row["state"] for row in stores[0].completeness()} == set(completeness.STATES)


def _random_publications(rng: random.Random, last: date) -> Iterator[tuple[list[Record], list[tuple[str, date, date]]]]:
    """Publications of a few days each; 5% of the periods are left out. No record is in two of them, so their order is free."""
    breaks = {agency: FIRST + timedelta(days=rng.randrange(60, 140)) for agency in (BUSY, "H47.03")}
    for source in (ONE_STOP, PORTAL):
        day = FIRST
        while day < last:
            end = min(last, day + timedelta(days=rng.randrange(1, 25)))
            until = end - timedelta(days=1)
            records = [
                record
                for n in range((end - day).days)
                for agency, each in ((BUSY, rng.randrange(4)), ("H47.03", rng.randrange(8) // 6))
                for record in _dossiers(
                    [day + timedelta(days=n)], each, source, agency, rng.choice(["online", "counter"]), rng.choice(["1.000001", "1.000002", "1.000003"])
                )
                if not (source == ONE_STOP and breaks[agency] <= day + timedelta(days=n) < breaks[agency] + timedelta(days=20))
            ]  # fmt: skip
            if rng.random() < 0.95:
                yield records, [(source, day, until)]
            day = end
    yield [], [(PORTAL, last, last + timedelta(days=3)), (DOCUMENTS, FIRST, FIRST)]


def test_freshness_is_the_end_of_coverage_and_not_the_last_read(store: Store) -> None:
    now = datetime(2026, 5, 9, 7, tzinfo=LOCAL)
    store.publish(covers=[(ONE_STOP, FIRST, FIRST), (PORTAL, FIRST, date(2026, 5, 8))])
    store.publish(covers=[(ONE_STOP, date(2026, 4, 1), date(2026, 4, 2))])
    with connect(store.settings) as connection:
        documents, one_stop, portal = freshness.measure(connection, now)
    assert (portal.is_fresh, portal.behind, portal.holes) == (True, timedelta(hours=7), ())
    assert (one_stop.is_fresh, one_stop.covered_until) == (False, datetime(2026, 5, 5, tzinfo=LOCAL))
    assert [(a.astimezone(LOCAL).date(), b.astimezone(LOCAL).date()) for a, b in one_stop.holes] == [
        (date(2026, 4, 3), FIRST)
    ]
    assert (documents.is_fresh, documents.covered_until) == (False, None)


@pytest.fixture(scope="module")
def planted() -> Iterator[tuple[Settings, World, datetime]]:
    """Ten weeks, read day by day, in which the feeds of two agencies break and each dossier system loses two days."""
    world = World.generate("tiny", 5, date(2022, 8, 1), date(2022, 10, 9), dossiers_count=6000, documents_count=20, defects_chosen="none", broken_feeds="all")  # fmt: skip
    as_of = datetime(2022, 10, 10, tzinfo=LOCAL)
    world = with_short_catalogue(world)
    with score.published_installation(world, as_of) as settings:
        yield settings, world, as_of


def test_each_planted_broken_feed_differs_from_silence(
    planted: tuple[Settings, World, datetime],
) -> None:
    settings, world, as_of = planted
    report = score.compare(settings, world, as_of)
    assert report.feeds is not None and report.feeds.broken >= 3 * 15
    assert report.missed == []
    with connect(settings) as connection:
        gaps = completeness.gaps(connection, None, world.start, world.end)
        refused = connection.execute("select source, why from ledger.batch where state = 'refused'").fetchall()
    silent = [agency.new_code for agency in agencies.in_force(world.end) if agency.is_silent]
    lost = {gap.organisation_id for gap in gaps if str(gap.reason).startswith("a hole")}
    assert len(silent) > 20 and set(silent) <= lost, "all agencies of a source have its holes"
    assert {row["source"] for row in refused} == {PORTAL}, "a system that suddenly has no records is refused"
    lines = "\n".join(completeness.gap_lines([gap for gap in gaps if not str(gap.reason).startswith("a hole")]))
    assert "none here, but the other dossier feed has" in lines and "working days that usually bring" in lines
    states = {
        row["organisation_id"]: row["state"]
        for row in _rows(settings, "select organisation_id, state from shared.zero_activity where period = 'week' and period_start = '2022-09-22' and channel = 'any'")
    }  # fmt: skip
    assert {states[agency] for agency in silent} == {"zero"}
    assert {states[gap.organisation_id] for gap in gaps if gap.organisation_id not in silent and gap.days > 5} == {"no_data"}  # fmt: skip


def test_the_command_shows_gaps_and_confirms_silences(
    planted: tuple[Settings, World, datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _, _ = planted
    monkeypatch.setattr(Settings, "from_env", lambda *_: settings)
    result = CliRunner().invoke(command, ["one_stop_shop", "--state", "missing", "--from", "2022-09-19"])
    assert result.exit_code == 0 and "2022-09-19 to 2022-10-07" in result.output, result.output
    shown = json.loads(CliRunner().invoke(command, ["--json"]).output)
    (gap, *_) = [gap for gap in shown["gaps"] if gap["source"] == PORTAL and gap["expected"]]
    arguments = ["confirm", PORTAL, gap["organisation_id"], "--from", gap["first_on"], "--to", gap["last_on"], "--by", "Lan", "--why", "closed"]  # fmt: skip
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0 and "confirmed by Lan" in result.output and "still" not in result.output
    shown = json.loads(CliRunner().invoke(command, [PORTAL, "--organisation", gap["organisation_id"], "--from", gap["first_on"], "--json"]).output)  # fmt: skip
    assert shown["gaps"] == []


def _rows(settings: Settings, query: str) -> list[dict[str, Any]]:
    """The rows of a query."""
    with connect(settings) as connection:
        return connection.execute(query.encode()).fetchall()
