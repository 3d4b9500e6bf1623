"""Whether broken feeds were told from silence: a world is read as it would be while they break, then each day is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from lgsp import check, harmonise, land, store
from lgsp.errors import BatchRefused
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.window import Window
from lgsp_province.defects import broken_feeds
from lgsp_province.defects.broken_feeds import Feed
from lgsp_province.world import agencies
from lgsp_province.world.world import World

Part = list[tuple[str, Window]]


@dataclass(frozen=True)
class Told:
    """Days of agencies: of broken feeds, and how many of these read missing; zeros where nothing was read; false alarms."""

    broken: int
    missing: int
    called_zero: int
    alarms: int

    @property
    def share_told(self) -> float:
        """The share of the days of broken feeds that read missing."""
        return self.missing / self.broken if self.broken else 1.0


def parts(world: World) -> Iterator[Part]:
    """The windows to read before each publication: at once, or up to the days a whole system lost, then those and the rest."""
    lost = [feed for feed in world.feeds if feed.agency is None]
    if not lost:
        yield [(source, Window.of_days(world.start, world.end)) for source in sources.names()]
        return
    first, last = min(feed.first_on for feed in lost), max(feed.last_on for feed in lost)
    yield [(source, Window.of_days(world.start, first - timedelta(days=1))) for source in sources.names()]
    rest: Part = []
    for source in sources.names():
        mine = [feed for feed in lost if feed.system == source]
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        rest += [(source, Window.of_days(day, day)) for day in days if not _is_down(mine, day)]
    yield [*rest, *((source, Window.of_days(last + timedelta(days=1), world.end)) for source in sources.names())]


def _is_down(mine: list[Feed], day: date) -> bool:
    return any(feed.is_down and feed.first_on <= day <= feed.last_on for feed in mine)


def read(settings: Settings, source: str, window: Window, world: World) -> None:
    """One window through land, harmonise and check; of a system that has nothing to say the batch may be refused."""
    try:
        check.run(settings, harmonise.run(settings, land.run(settings, source, window)))
    except BatchRefused:
        days = set(window.days())
        if not any(f.agency is None and f.system == source and days & {f.first_on, f.last_on} for f in world.feeds):
            raise


def told(settings: Settings, world: World) -> Told:
    """How the ledger's word on each day compares with the feeds of a world that broke."""
    everyone = agencies.load()
    days = set(broken_feeds.missing_days(world.feeds, world.calendar))
    silenced = {(system, everyone[agency].new_code, day) for system, agency, day in days if agency is not None}
    lost = {(system, day) for system, agency, day in days if agency is None}
    with store.connect(settings) as connection:
        rows = connection.execute(
            "select source, organisation_id, day_on, state from ledger.completeness where state <> 'received'"
        ).fetchall()
    missing = {(r["source"], r["organisation_id"], r["day_on"]) for r in rows if r["state"] == "missing"}
    zeros = {(r["source"], r["day_on"]) for r in rows if r["state"] == "zero"}
    alarms = {key for key in missing - silenced if (key[0], key[2]) not in lost}
    return Told(len(silenced), len(silenced & missing), len(lost & zeros), len(alarms))
