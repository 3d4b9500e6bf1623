"""Selects the dossiers that may show each defect: its field has a value, and its outcome is certain."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lgsp_province.world import agencies
from lgsp_province.world.calendar import Seconds, local_days
from lgsp_province.world.dossiers import COUNTER, ONLINE, Dossiers
from lgsp_province.world.lifecycles import ACCEPTED, FINISHED, NEVER, NOT_ACCEPTED, PAUSES

Mask = NDArray[np.bool_]

_LEGACY_COMMUNES = 12
_MISPRINTED_PROCEDURE, _MISPRINTING_AGENCY = "2.000884", "UBND xã Cẩm Thanh"
_GROUP_SHIFT = np.uint64(
    56
)  # position of four bits in `traits`; defects that must not occur together use different values


@dataclass(frozen=True)
class _LifecycleFacts:
    """Properties of every dossier's lifecycle; `delay` is the number of seconds until a system receives an event."""

    dossiers: Dossiers
    delay: Seconds

    @property
    def _used(self) -> Mask:
        return self.dossiers.lifecycles.times < NEVER

    @property
    def is_not_deleted(self) -> Mask:
        return np.asarray(self.dossiers.deleted_at == NEVER, np.bool_)

    @property
    def is_accepted(self) -> Mask:
        return np.asarray(self._used[:, 1] & (self.dossiers.lifecycles.statuses[:, 1] == ACCEPTED), np.bool_)

    @property
    def is_undistorted(self) -> Mask:
        """Never paused, and with a due date if accepted: both systems then report the same statuses."""
        lifecycles = self.dossiers.lifecycles
        is_paused = (np.isin(lifecycles.statuses, PAUSES) & self._used).any(axis=1)
        return np.asarray(
            ~is_paused & ((lifecycles.due_first >= 0) | (lifecycles.statuses[:, 1] == NOT_ACCEPTED)), np.bool_
        )

    @property
    def is_received_same_day(self) -> Mask:
        """Accepted on the day of submission, so that no daily run reads it before its acceptance."""
        days = local_days(self.dossiers.lifecycles.times[:, :2] + self.delay[:, None])
        return np.asarray(self.is_accepted & (days[:, 0] == days[:, 1]), np.bool_)

    @property
    def is_finished_same_day(self) -> Mask:
        """Completed on the day of submission, so that no daily run reads it unfinished."""
        lifecycles = self.dossiers.lifecycles
        is_finished = ((lifecycles.statuses == FINISHED) & self._used).any(axis=1)
        last = np.where(self._used, lifecycles.times, 0).max(axis=1)
        is_same_day = local_days(last + self.delay) == local_days(self.dossiers.submitted + self.delay)
        return np.asarray(is_finished & is_same_day & self.is_undistorted & (lifecycles.amended_at == NEVER), np.bool_)


def is_undistorted(dossiers: Dossiers) -> Mask:
    """Which dossiers have the same statuses in the portal and in the one-stop-shop."""
    return _LifecycleFacts(dossiers, np.zeros(len(dossiers), np.int64)).is_undistorted


def _of_agencies(dossiers: Dossiers, indexes: Iterable[int]) -> Mask:
    """The dossiers received by some agencies."""
    return np.isin(dossiers.agency, list(indexes))


def _legacy_communes(dossiers: Dossiers) -> tuple[list[int], list[int]]:
    """About a dozen communes with legacy software: the first list writes TCVN3, the second VNI."""
    communes = [n for n in np.unique(dossiers.agency).tolist() if agencies.load()[n].level == agencies.COMMUNE]
    selected = communes[:: max(1, len(communes) // _LEGACY_COMMUNES)][:_LEGACY_COMMUNES]
    return selected[::2], selected[1::2]


def _random_group(dossiers: Dossiers) -> NDArray[np.int64]:
    """A random number from 0 to 15 for every dossier."""
    return np.asarray((dossiers.traits >> _GROUP_SHIFT).astype(np.int64) & 15, np.int64)


def _texts(dossiers: Dossiers) -> dict[str, Mask]:
    """The dossiers that may show each text defect; no text gets two defects that would hide each other."""
    tcvn3, vni = (_of_agencies(dossiers, communes) for communes in _legacy_communes(dossiers))
    group = _random_group(dossiers)
    is_modern = ~(tcvn3 | vni)
    spans = {"D01": (0, 5), "D17": (6, 7), "D07": (8, 11), "D04": (12, 13), "D05": (14, 14), "D05-lost": (15, 15)}
    eligible = {name: is_modern & (group >= low) & (group <= high) for name, (low, high) in spans.items()}
    # a text shows the damage of D04 or D05 instead, if it is also drawn for that
    eligible |= {"D47": is_modern & (group >= 12) & (group <= 13), "D47-lost": is_modern & (group >= 14)}
    return eligible | {"D02": tcvn3, "D03": vni, "D11": dossiers.in_one_stop & (group % 2 == 0)}


def _quarantined(dossiers: Dossiers) -> dict[str, Mask]:
    """The dossiers that may show a defect that quarantines the record, by mark.

    If the one-stop-shop's record is quarantined and the portal has the dossier too, the portal's record is published,
    so it must report the same statuses.
    """
    no_delay = np.zeros(len(dossiers), np.int64)
    is_never_test = _random_group(dossiers) % 2 == 0  # a record of a test agency would be ignored instead
    eligible: dict[str, Mask] = {}
    for side, is_stored, delay in (
        ("one-stop", dossiers.in_one_stop, no_delay),
        ("portal", dossiers.in_portal, dossiers.sync_delay),
    ):
        facts = _LifecycleFacts(dossiers, delay)
        may_show = is_stored & facts.is_not_deleted
        if side == "one-stop":
            may_show &= ~dossiers.in_portal | facts.is_undistorted
        received = may_show & facts.is_received_same_day & facts.is_undistorted
        finished = may_show & facts.is_finished_same_day
        eligible |= {f"D25-{side}": received, f"D28-received-{side}": received}
        eligible |= {f"D26-{side}": finished, f"D28-finished-{side}": finished}
        eligible |= {
            f"unknown-status-{side}": may_show,
            f"poison-element-{side}": may_show & is_never_test,
            f"poison-surrogate-{side}": may_show & is_never_test,
        }
    return eligible


def _with_unique_name() -> list[int]:
    """Indexes of the agencies that are identified by their name."""
    names = [
        agency.name.lower().replace(" ", "") for agency in agencies.load()
    ]  # without spaces: A Vương and Avương are two communes
    return [index for index, name in enumerate(names) if names.count(name) == 1]


def _misprinting_agencies() -> Iterator[int]:
    """The agency with the wrongly configured counter, and its successor, which took over the software."""
    for agency in agencies.load():
        if agency.name == _MISPRINTING_AGENCY:
            yield agency.index
            if agency.successor is not None:
                yield agency.successor


def by_mark(dossiers: Dossiers) -> dict[str, Mask]:
    """The dossiers that may show each mark; every dossier may show a mark that is not a key."""
    lifecycles, all_agencies, catalogue = dossiers.lifecycles, agencies.load(), dossiers.catalogue.services
    facts = _LifecycleFacts(dossiers, np.zeros(len(dossiers), np.int64))
    in_both = dossiers.in_one_stop & dossiers.in_portal
    is_online = dossiers.channel == ONLINE
    is_level_two = np.array([service.online_level == 2 for service in catalogue])[dossiers.service]
    has_fee = np.array([service.fee_vnd > 0 for service in catalogue])[dossiers.service]
    is_misprinted = np.array([service.code == _MISPRINTED_PROCEDURE for service in catalogue])[dossiers.service]
    texts = _texts(dossiers)
    # without a code the name must identify the agency; An Sơn in VNI reads An Sôn, which is another name
    is_unreadable = texts["D02"] | texts["D03"] | texts["D05"] | texts["D05-lost"]
    return {
        **texts,
        **_quarantined(dossiers),
        "D09": dossiers.in_portal,
        "D12": dossiers.in_one_stop & ~texts["D11"],
        "D15": dossiers.in_portal,
        "D16": has_fee,
        "D18-one-stop": dossiers.in_one_stop,
        "D18-portal": dossiers.in_portal,
        "D19": in_both & is_online & facts.is_accepted,
        "D20": _of_agencies(dossiers, (agency.index for agency in all_agencies if agency.code != agency.other_code)),
        "D21": _of_agencies(dossiers, _with_unique_name()) & ~is_unreadable,
        "D21-test": facts.is_not_deleted & (_random_group(dossiers) % 2 == 1),
        "D24": facts.is_not_deleted,
        "D27": is_level_two & (dossiers.channel == COUNTER),
        "D42-one-stop": dossiers.in_one_stop,
        "D46": in_both,
        "D42-portal": dossiers.in_portal,
        "status-as-text": dossiers.in_one_stop,
        "name-as-object": dossiers.in_one_stop,
        "due-null": dossiers.in_one_stop & (lifecycles.due_first >= 0) & (lifecycles.amended_at == NEVER),
        "channel-conflict": in_both & is_online,
        "submitted-overwritten": in_both & facts.is_accepted,
        "abstract-missing": dossiers.in_portal,
        "misprint": dossiers.in_one_stop & is_misprinted & _of_agencies(dossiers, _misprinting_agencies()),
        "poison-number": has_fee,
    }
