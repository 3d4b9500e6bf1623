"""Which dossiers may show which defect: where its field has a value, and where its outcome can be told for certain."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lgsp_province.world import agencies
from lgsp_province.world.calendar import Seconds, local_days
from lgsp_province.world.dossiers import COUNTER, ONLINE, Dossiers
from lgsp_province.world.lives import ACCEPTED, FINISHED, NEVER, NOT_ACCEPTED, PAUSES

Which = NDArray[np.bool_]

_LEGACY_COMMUNES = 12
_MISPRINTED, _MISPRINTING = "2.000884", "UBND xã Cẩm Thanh"
_LOTS = np.uint64(56)  # the place of four bits that share the dossiers out among damages that must not meet


@dataclass(frozen=True)
class _Course:
    """What is known of every dossier's life: `delay` is how much later the portal learns of it."""

    dossiers: Dossiers
    delay: Seconds

    @property
    def _used(self) -> Which:
        return self.dossiers.lives.times < NEVER

    @property
    def is_kept(self) -> Which:
        return np.asarray(self.dossiers.deleted_at == NEVER, np.bool_)

    @property
    def is_accepted(self) -> Which:
        return np.asarray(self._used[:, 1] & (self.dossiers.lives.statuses[:, 1] == ACCEPTED), np.bool_)

    @property
    def is_plain(self) -> Which:
        """Never paused, and with a due date if accepted: the portal's story is then the one-stop's."""
        lives = self.dossiers.lives
        is_paused = (np.isin(lives.statuses, PAUSES) & self._used).any(axis=1)
        return np.asarray(~is_paused & ((lives.due_first >= 0) | (lives.statuses[:, 1] == NOT_ACCEPTED)), np.bool_)

    @property
    def is_received_that_day(self) -> Which:
        """Received on the day it came, so that no daily reader sees it before."""
        days = local_days(self.dossiers.lives.times[:, :2] + self.delay[:, None])
        return np.asarray(self.is_accepted & (days[:, 0] == days[:, 1]), np.bool_)

    @property
    def is_finished_that_day(self) -> Which:
        """All over on the day it came, so that no daily reader sees it unfinished."""
        lives = self.dossiers.lives
        is_finished = ((lives.statuses == FINISHED) & self._used).any(axis=1)
        last = np.where(self._used, lives.times, 0).max(axis=1)
        is_that_day = local_days(last + self.delay) == local_days(self.dossiers.submitted + self.delay)
        return np.asarray(is_finished & is_that_day & self.is_plain & (lives.amended_at == NEVER), np.bool_)


def is_plain(dossiers: Dossiers) -> Which:
    """Whose story the portal tells as the one-stop does."""
    return _Course(dossiers, np.zeros(len(dossiers), np.int64)).is_plain


def _at(dossiers: Dossiers, indexes: Iterable[int]) -> Which:
    """Which dossiers are of some agencies."""
    return np.isin(dossiers.agency, list(indexes))


def _legacy_communes(dossiers: Dossiers) -> tuple[list[int], list[int]]:
    """A dozen communes whose programmes are of the last century: some write TCVN3, the others VNI."""
    communes = [n for n in np.unique(dossiers.agency).tolist() if agencies.load()[n].level == agencies.COMMUNE]
    chosen = communes[:: max(1, len(communes) // _LEGACY_COMMUNES)][:_LEGACY_COMMUNES]
    return chosen[::2], chosen[1::2]


def _lot(dossiers: Dossiers) -> NDArray[np.int64]:
    """One of sixteen lots for every dossier."""
    return np.asarray((dossiers.traits >> _LOTS).astype(np.int64) & 15, np.int64)


def _texts(dossiers: Dossiers) -> dict[str, Which]:
    """No text is damaged in two ways that would hide each other."""
    tcvn3, vni = (_at(dossiers, communes) for communes in _legacy_communes(dossiers))
    lot = _lot(dossiers)
    is_modern = ~(tcvn3 | vni)
    spans = {"D01": (0, 5), "D17": (6, 7), "D07": (8, 11), "D04": (12, 13), "D05": (14, 14), "D05-lost": (15, 15)}
    found = {name: is_modern & (lot >= low) & (lot <= high) for name, (low, high) in spans.items()}
    return found | {"D02": tcvn3, "D03": vni, "D11": dossiers.in_one_stop & (lot % 2 == 0)}


def _impossible(dossiers: Dossiers) -> dict[str, Which]:
    """What ends in quarantine, by the system that shows it; where both hold it, the portal's story then stands."""
    at_once = np.zeros(len(dossiers), np.int64)
    found: dict[str, Which] = {}
    for side, held, delay in (
        ("one-stop", dossiers.in_one_stop, at_once),
        ("portal", dossiers.in_portal, dossiers.sync_delay),
    ):
        course = _Course(dossiers, delay)
        may = held & course.is_kept
        if side == "one-stop":
            may &= ~dossiers.in_portal | course.is_plain
        received = may & course.is_received_that_day & course.is_plain
        finished = may & course.is_finished_that_day
        found |= {f"D25-{side}": received, f"D28-received-{side}": received}
        found |= {f"D26-{side}": finished, f"D28-finished-{side}": finished}
        found |= {f"unknown-status-{side}": may, f"poison-element-{side}": may & (_lot(dossiers) % 2 == 0)}
    return found


def _named_alone() -> list[int]:
    """Agencies that their name alone identifies."""
    names = [agency.name.lower().replace(" ", "") for agency in agencies.load()]  # A Vương and Avương are two
    return [place for place, name in enumerate(names) if names.count(name) == 1]


def _misprinting() -> Iterator[int]:
    """The counter that was set up wrongly, and the one that took over its programme."""
    for agency in agencies.load():
        if agency.name == _MISPRINTING:
            yield agency.index
            if agency.successor is not None:
                yield agency.successor


def by_mark(dossiers: Dossiers) -> dict[str, Which]:
    """The dossiers that may show each mark; a mark that is not there may show anywhere."""
    lives, everyone, catalogue = dossiers.lives, agencies.load(), dossiers.catalogue.services
    course = _Course(dossiers, np.zeros(len(dossiers), np.int64))
    in_both = dossiers.in_one_stop & dossiers.in_portal
    is_online = dossiers.channel == ONLINE
    is_level_two = np.array([service.online_level == 2 for service in catalogue])[dossiers.service]
    has_fee = np.array([service.fee_vnd > 0 for service in catalogue])[dossiers.service]
    is_misprinted = np.array([service.code == _MISPRINTED for service in catalogue])[dossiers.service]
    texts = _texts(dossiers)
    # where the code is missing the name alone must tell: An Sôn is An Sơn in VNI, and a name of its own
    is_unreadable = texts["D02"] | texts["D03"] | texts["D05"] | texts["D05-lost"]
    return {
        **texts,
        **_impossible(dossiers),
        "D09": dossiers.in_portal,
        "D12": dossiers.in_one_stop & ~texts["D11"],
        "D15": dossiers.in_portal,
        "D16": has_fee,
        "D18-one-stop": dossiers.in_one_stop,
        "D18-portal": dossiers.in_portal,
        "D19": in_both & is_online & course.is_accepted,
        "D20": _at(dossiers, (agency.index for agency in everyone if agency.code != agency.new_code)),
        "D21": _at(dossiers, _named_alone()) & ~is_unreadable,
        "D21-test": course.is_kept & (_lot(dossiers) % 2 == 1),
        "D24": course.is_kept,
        "D27": is_level_two & (dossiers.channel == COUNTER),
        "D42-one-stop": dossiers.in_one_stop,
        "D42-portal": dossiers.in_portal,
        "status-as-text": dossiers.in_one_stop,
        "name-as-object": dossiers.in_one_stop,
        "due-null": dossiers.in_one_stop & (lives.due_first >= 0) & (lives.amended_at == NEVER),
        "channel-conflict": in_both & is_online,
        "submitted-overwritten": in_both & course.is_accepted,
        "abstract-missing": dossiers.in_portal,
        "misprint": dossiers.in_one_stop & is_misprinted & _at(dossiers, _misprinting()),
        "poison-number": has_fee,
    }
