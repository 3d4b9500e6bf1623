"""Scores the detection of broken feeds: days with missing records must not be published as days without dossiers.

The world is read as its servers answer while feeds are broken; the ledger's state of each day is then compared with the
planned feeds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from lgsp import check, harmonise, land, store
from lgsp.errors import BatchRefused
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.window import Window
from lgsp_province.defects import broken_feeds
from lgsp_province.defects.broken_feeds import BrokenFeed
from lgsp_province.world import agencies
from lgsp_province.world.world import World

Windows = list[tuple[str, Window]]  # a source, and a window to read from it


@dataclass(frozen=True)
class FeedScore:
    """Counts of days by agency, or by system where a whole system has no data.

    `broken`: days of agencies with a broken feed. `missing`: those of them that the ledger reports as missing.
    `called_zero`: days without data of a whole system that the ledger reports as zero. `alarms`: days that the ledger
    reports as missing although no feed is broken.
    """

    broken: int
    missing: int
    called_zero: int
    alarms: int

    @property
    def detected_share(self) -> float:
        """The share of the days with broken feeds that the ledger reports as missing; 1 if there are none."""
        return self.missing / self.broken if self.broken else 1.0


def readings(world: World) -> Iterator[tuple[date, list[Windows]]]:
    """The days on which the systems are read, each with the windows to read before each publication.

    One reading after the end; with lists that drop the agencies that ended (D48), also one on the day before each day of
    change. An agency that no list ever had is unknown.
    """
    after, first = world.end + timedelta(days=1), world.start
    if not world.rates["D48"]:
        yield after, list(windows_by_publication(world))
        return
    for change in agencies.days_of_change():
        day = change - timedelta(days=1)  # its list still has the agencies that end
        if first < day < world.end:
            yield day, [_windows(first, day - timedelta(days=1))]
            first = day
    yield after, [_windows(first, world.end)]


def _windows(first: date, last: date) -> Windows:
    return [(source, Window.of_days(first, last)) for source in sources.names()]


def windows_by_publication(world: World) -> Iterator[Windows]:
    """The windows to read before each publication.

    One publication if only feeds of agencies are broken. Two if a whole system has no data for some days: the first
    reads the days before these, the second reads the other days, without those on which a system is down.
    """
    of_systems = [feed for feed in world.feeds if feed.agency is None]
    if not of_systems:
        yield _windows(world.start, world.end)
        return
    first, last = min(feed.first_on for feed in of_systems), max(feed.last_on for feed in of_systems)
    yield _windows(world.start, first - timedelta(days=1))
    windows: Windows = []
    for source in sources.names():
        feeds = [feed for feed in of_systems if feed.system == source]
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        windows += [(source, Window.of_days(day, day)) for day in days if not _is_down(feeds, day)]
    yield [*windows, *_windows(last + timedelta(days=1), world.end)]


def _is_down(feeds: list[BrokenFeed], day: date) -> bool:
    return any(feed.is_down and feed.first_on <= day <= feed.last_on for feed in feeds)


def ingest(settings: Settings, source: str, window: Window, world: World) -> None:
    """Land, harmonise and check one window; a refused batch is accepted if the whole system has no data in the window.

    Raises BatchRefused when any other batch is refused.
    """
    try:
        check.run(settings, harmonise.run(settings, land.run(settings, source, window)))
    except BatchRefused:
        days = set(window.days())
        if not any(f.agency is None and f.system == source and days & {f.first_on, f.last_on} for f in world.feeds):
            raise


def score_feeds(settings: Settings, world: World) -> FeedScore:
    """Compare the ledger's completeness states with the broken feeds of a world."""
    all_agencies = agencies.load()
    days = set(broken_feeds.missing_days(world.feeds, world.calendar))
    of_agencies = {(system, all_agencies[agency].new_code, day) for system, agency, day in days if agency is not None}
    of_systems = {(system, day) for system, agency, day in days if agency is None}
    with store.connect(settings) as connection:
        rows = connection.execute(
            "select source, organisation_id, day_on, state from ledger.completeness where state <> 'received'"
        ).fetchall()
    missing = {(r["source"], r["organisation_id"], r["day_on"]) for r in rows if r["state"] == "missing"}
    zeros = {(r["source"], r["day_on"]) for r in rows if r["state"] == "zero"}
    alarms = {key for key in missing - of_agencies if (key[0], key[2]) not in of_systems}
    return FeedScore(len(of_agencies), len(of_agencies & missing), len(of_systems & zeros), len(alarms))
