"""Computes the dossiers of the truth: which ones are published, and their values from the clean world."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lgsp_province.world import agencies
from lgsp_province.world.calendar import Seconds, local_days
from lgsp_province.world.dossiers import CHANNELS, COUNTER, ONLINE
from lgsp_province.world.lifecycles import ACCEPTED, FINISHED, NEVER, NOT_ACCEPTED, PROCESSING, STATUSES, WITHDRAWN
from lgsp_province.world.view import SystemView, View


@dataclass(frozen=True)
class PublishedDossiers:
    """The dossiers that the shared dataset should contain, as columns of equal length.

    `rows` are row numbers of the world's dossiers. `in_one_stop` is true where the one-stop shop has the primary record.
    Instants are seconds since 1970 in UTC; -1 means that there is none.
    """

    rows: NDArray[np.int64]
    agency: NDArray[np.int64]
    service: NDArray[np.int64]
    in_one_stop: NDArray[np.bool_]
    in_portal: NDArray[np.bool_]
    channel: NDArray[np.int64]
    status: NDArray[np.int64]
    event_count: NDArray[np.int64]
    submitted: Seconds
    received: Seconds
    due: Seconds
    finished: Seconds
    closed: Seconds

    @property
    def is_on_time(self) -> NDArray[np.bool_]:
        """Whether each dossier was finished by its due day; only meaningful where both dates exist."""
        return (self.finished >= 0) & (self.due >= 0) & (local_days(self.finished) <= local_days(self.due))


def _reached(view: View, rows: NDArray[np.int64], visible: NDArray[np.int64], status: int) -> Seconds:
    """When each dossier last reached a status; -1 if it has not."""
    lifecycles = view.dossiers.lifecycles
    slots = np.arange(lifecycles.times.shape[1])
    is_seen = (slots < visible[:, None]) & (lifecycles.statuses[rows] == status)
    return np.asarray(np.where(is_seen, lifecycles.times[rows], -1).max(axis=1), np.int64)


def quarantined(view: View, side: str) -> NDArray[np.bool_]:
    """Which records of one side, `one-stop` or `portal`, must be quarantined by now; test records are not included."""
    system = view.one_stop if side == "one-stop" else view.portal
    statuses = view.dossiers.lifecycles.statuses
    is_seen = np.arange(statuses.shape[1]) < system.visible[:, None]
    is_accepted, is_finished = (((statuses == status) & is_seen).any(axis=1) for status in (ACCEPTED, FINISHED))
    marks = view.marks
    unreadable = (f"unknown-status-{side}", f"poison-element-{side}", f"poison-surrogate-{side}")
    is_wrong = marks.has(*unreadable) & (system.visible > 0)
    is_wrong |= marks.has(f"D25-{side}", f"D28-received-{side}") & is_accepted
    is_wrong |= marks.has(f"D26-{side}", f"D28-finished-{side}") & is_finished
    return np.asarray(is_wrong & ~is_test(view), np.bool_)


def quarantined_days(view: View) -> Iterator[tuple[int, int]]:
    """Agency and day number of each dossier record in quarantine: the day of receipt, otherwise of submission.

    A receipt in the future is not used. The portal may send the time of receipt as the time of submission.
    """
    for side, system in (("one-stop", view.one_stop), ("portal", view.portal)):
        marks = view.marks
        has_no_receipt = marks.has(f"D28-received-{side}", f"D25-{side}")
        if side == "portal":
            has_no_receipt &= ~marks.has("submitted-overwritten")
        rows = (quarantined(view, side) & ~marks.has(f"poison-element-{side}")).nonzero()[0]
        for state in view.iter_dossier_states(system, rows):
            received = None if has_no_receipt[state.row] else state.reached_at(ACCEPTED)
            yield state.agency, int(local_days(np.array([state.submitted if received is None else received]))[0])


def is_test(view: View) -> NDArray[np.bool_]:
    """Which dossiers are test dossiers, in either system."""
    return view.marks.has("D24", "D21-test")


def _is_current(system: SystemView) -> NDArray[np.bool_]:
    """Which dossiers a system has and has not deleted."""
    return (system.visible > 0) & ~system.is_deleted


def published(view: View) -> PublishedDossiers:
    """The published dossiers, with the clean values as the primary record of each shows them."""
    dossiers, marks, lifecycles = view.dossiers, view.marks, view.dossiers.lifecycles
    is_real = ~is_test(view)
    in_one_stop = _is_current(view.one_stop) & ~quarantined(view, "one-stop") & is_real
    in_portal = _is_current(view.portal) & ~quarantined(view, "portal") & is_real
    rows = np.flatnonzero(in_one_stop | in_portal)
    in_one_stop, in_portal = in_one_stop[rows], in_portal[rows]
    visible = np.where(in_one_stop, view.one_stop.visible[rows], view.portal.visible[rows]).astype(np.int64)
    known_until = view.as_of - np.where(in_one_stop, 0, dossiers.sync_delay[rows])
    accepted = _reached(view, rows, visible, ACCEPTED)
    due = np.where(lifecycles.amended_at[rows] <= known_until, lifecycles.due[rows], lifecycles.due_first[rows])
    due[~in_one_stop & marks.has("schema-drift")[rows]] = -1
    is_overwritten = ~in_one_stop & marks.has("submitted-overwritten")[rows] & (accepted >= 0)
    status = lifecycles.statuses[rows, visible - 1].astype(np.int64)
    is_without_step = in_one_stop & (status == ACCEPTED)
    status[is_without_step] = PROCESSING  # the one-stop shop has one code for both, and no step for the second yet
    channel = dossiers.channel[rows].astype(np.int64)
    channel[marks.has("channel-conflict")[rows] & ~in_portal & (channel == ONLINE)] = COUNTER
    channel[marks.has("D27")[rows]] = ONLINE
    refused = _reached(view, rows, visible, NOT_ACCEPTED)
    return PublishedDossiers(
        rows,
        dossiers.agency[rows].astype(np.int64),
        dossiers.service[rows].astype(np.int64),
        in_one_stop,
        in_portal,
        channel,
        status,
        visible + is_without_step,
        np.where(is_overwritten, accepted, dossiers.submitted[rows]),
        accepted,
        np.where(accepted >= 0, due, -1),
        _reached(view, rows, visible, FINISHED),
        np.maximum(refused, _reached(view, rows, visible, WITHDRAWN)),
    )


def _timestamps(values: Seconds) -> pa.Array:
    """Timestamps in UTC; -1 becomes null."""
    return pa.array(values * 1_000_000, pa.int64(), mask=(values < 0) | (values >= NEVER)).cast(
        pa.timestamp("us", "UTC")
    )


def _dates(values: Seconds) -> pa.Array:
    """Local dates of instants; -1 becomes null."""
    number = local_days(values).astype(np.int32)
    return pa.array(number, pa.int32(), mask=(values < 0) | (values >= NEVER)).cast(pa.date32())


def dossier_table(view: View, dossiers: PublishedDossiers) -> pa.Table:
    """The published dossiers, one row each."""
    all_agencies, services = agencies.load(), view.dossiers.catalogue.services
    only_portal = ~dossiers.in_one_stop
    codes = {state.row: state.code for state in view.iter_dossier_states(view.one_stop, dossiers.rows[~only_portal])}
    codes |= {
        state.row: state.portal_code for state in view.iter_dossier_states(view.portal, dossiers.rows[only_portal])
    }
    has_both_dates = (dossiers.finished >= 0) & (dossiers.due >= 0)
    fees = np.array([service.fee_vnd for service in services])[dossiers.service]
    return pa.table(
        {
            "dossier_id": [codes[row] for row in dossiers.rows.tolist()],
            "service_code": [services[n].code for n in dossiers.service.tolist()],
            "agency_code": [all_agencies[n].code for n in dossiers.agency.tolist()],
            "receiving_organisation_id": [all_agencies[n].new_code for n in dossiers.agency.tolist()],
            "channel": [CHANNELS[n] for n in dossiers.channel.tolist()],
            "status": [STATUSES[n] for n in dossiers.status.tolist()],
            "submitted_at": _timestamps(dossiers.submitted),
            "received_at": _timestamps(dossiers.received),
            "due_at": _timestamps(dossiers.due),
            "finished_at": _timestamps(dossiers.finished),
            "received_on": _dates(dossiers.received),
            "due_on": _dates(dossiers.due),
            "finished_on": _dates(dossiers.finished),
            "closed_at": _timestamps(dossiers.closed),
            "is_on_time": pa.array(dossiers.is_on_time, mask=~has_both_dates),
            "fee_vnd": pa.array(fees, mask=view.marks.has("poison-number")[dossiers.rows]),
            "in_one_stop": dossiers.in_one_stop,
            "in_online_services": dossiers.in_portal,
            "event_count": dossiers.event_count,
        }
    )
