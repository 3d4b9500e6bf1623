"""The tasks of the Dags: each makes one call into the package and passes on batch ids, never data."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from lgsp.window import LOCAL, local_day
from wiring import assets, connections, defaults, windows

if TYPE_CHECKING:
    from lgsp.settings import Settings


@task
def land(source: str) -> list[str]:
    """Fetch the run's window from a source and store the exact bytes. An unlikely window fails at once, unless it was confirmed."""
    context = get_current_context()
    window = windows.of_run(context)
    from lgsp import install, land
    from lgsp.land import bounds

    settings = connections.settings(source)
    install.ensure(settings)
    confirmed_by = bounds.confirm(settings, source, window, windows.confirmed_by(context))
    return land.run(settings, source, window, is_overlapping=True, confirmed_by=confirmed_by)


@task
def landed() -> list[str]:
    """The batches of the run's window that were landed before; fails when there are none."""
    context = get_current_context()
    source, window = context["params"]["source"], windows.of_run(context)
    from lgsp import land

    batches = land.open_rebuild_batches(connections.settings(), source, window)
    if not batches:
        raise AirflowFailException(f"{source} {window}: no batch was landed; run ingest_{source} for this window")
    return batches


@task
def select_rows() -> list[str]:
    """Make new batches of the selected quarantined rows from their landed bytes; skipped when no row matches."""
    params = get_current_context()["params"]
    selection = params["quarantine_ids"] or [], params["rule_id"], params["source"]
    if not any(selection):
        raise AirflowFailException("no rows selected: give quarantine_ids, rule_id or source")
    from lgsp.maintain import redrive

    batches = redrive.open_batches(connections.settings(), *selection)
    if not batches:
        raise AirflowSkipException("no matching row is in quarantine")
    return batches


@task
def harmonise(batch_ids: list[str]) -> list[str]:
    """Turn landed records into typed rows with the names and codes of the shared dataset."""
    from lgsp import harmonise

    return harmonise.run(connections.settings(), batch_ids)


@task
def check(batch_ids: list[str]) -> list[str]:
    """Check the batches: rows that break a rule go to quarantine; a batch with too many of them, or that breaks a batch rule, is refused."""
    from lgsp import check

    return check.run(connections.settings(), batch_ids)


@task
def summarise(batch_ids: list[str]) -> str:
    """A summary of the redrive: how many rows passed, and which rules quarantine the others."""
    from lgsp.maintain import redrive

    return str(redrive.outcome(connections.settings(), batch_ids))


@task
def sweep(source: str) -> str:
    """Compare a source with the records known here, key by key, and fix the differences; a summary of them."""
    context, settings = get_current_context(), connections.settings(source)
    span, params = windows.of_sweep(context, source), context["params"]
    from lgsp.maintain import sweep

    accepted_by = f"run {context['run_id']} of sweep_sources" if params["accept_deletions"] else None
    swept = sweep.sweep_window(
        settings, source, span, is_thorough=params["thorough"], accepted_by=accepted_by,
        confirmed_by=windows.confirmed_by(context),
    )  # fmt: skip
    return "; ".join(map(str, swept))


@task(retries=0)
def fill_gaps(source: str) -> str:
    """Read the days of a source that were never read, newest first; a summary. Skipped, without an asset event, when none is missing."""
    from lgsp.maintain import gaps

    filled = gaps.fill(connections.settings(source), source)
    if filled.refused:
        raise AirflowFailException(str(filled))
    if not filled.days:
        raise AirflowSkipException(filled.paused or f"{source}: every day was read")
    return str(filled)


@task(pool=defaults.PUBLISH_POOL, outlets=[assets.SHARED_DATASET])
def publish(*, outlet_events: Any = None) -> int:
    """Publish all checked batches in one snapshot; skipped, without an asset event, when none is waiting.

    Waits at most two minutes for batches of the same interval that are still being processed. The asset event has the
    snapshot, the time its data reach, and the number of changed rows of each changed table.
    """
    from lgsp import install, publish
    from lgsp.publish import hold, waiting

    settings = connections.settings()
    install.ensure(settings, is_publishing=True)
    waiting.wait_for_batches(settings)
    publication = publish.run(settings)
    if publication is None:
        raise AirflowSkipException(hold.current_reason(settings) or "no checked batch is waiting to be published")
    metadata = publication.metadata
    outlet_events[assets.SHARED_DATASET].extra = {
        "snapshot": f"{metadata.epoch}-{metadata.snapshot_id}", "as_of": metadata.as_of,
        "changed_rows": {table: rows for table, rows in publication.rows.items() if rows},
    }  # fmt: skip
    return publication.snapshot_id


@task(retries=0)
def deliver_webhooks() -> str:
    """Send the events that are due to the addresses of LGSP_WEBHOOKS; a summary. Skipped without addresses."""
    from lgsp.maintain import webhooks

    settings = connections.settings()
    if not settings.webhooks:
        raise AirflowSkipException("LGSP_WEBHOOKS is not set: nobody is notified")
    done = webhooks.deliver(settings)
    if done.ended:
        raise AirflowFailException(f"events ended without being accepted: {done}")
    return str(done)


@task(pool=defaults.PUBLISH_POOL)
def recover() -> list[str]:
    """Repair what a crash left behind; a description of each repair."""
    from lgsp import install
    from lgsp.snapshots import recovery

    settings = connections.settings()
    install.ensure(settings)
    return recovery.recover(settings)


@task(pool=defaults.PUBLISH_POOL)
def retire() -> str:
    """Delete snapshots, row versions and harmonised rows past their retention time; a summary of them."""
    from lgsp.maintain import retention

    return str(retention.retire_expired(connections.settings()))


@task
def verify() -> str:
    """Verify the newest snapshot; fails when SQL or files differ from the publication, skipped before the first one."""
    from lgsp.errors import NothingPublished, PublicationFailed
    from lgsp.maintain import verify

    try:
        snapshot_id, proofs = verify.verify_snapshot(connections.settings())
    except NothingPublished as error:
        raise AirflowSkipException(str(error)) from error
    except PublicationFailed as error:
        raise AirflowFailException(str(error)) from error
    if different := [proof.table for proof in proofs if not proof.is_equal]:
        raise AirflowFailException(f"snapshot {snapshot_id} differs from what was published: {', '.join(different)}")
    return f"snapshot {snapshot_id} is verified: {len(proofs)} tables are as published"


@task
def verify_landing() -> str:
    """Verify the landed batches whose turn it is tonight; fails when a byte or a row of the ledger was altered."""
    from lgsp.maintain import verify_landing

    night = local_day(datetime.now(LOCAL))
    proof = verify_landing.verify_landing(connections.settings(), night)
    if proof.problems:
        raise AirflowFailException("; ".join(proof.problems))
    return f"{proof.batches} landed batches of one in {verify_landing.NIGHTS} are verified: {proof.answers:,} answers, {proof.bytes:,} bytes"


@task(retries=0)
def check_freshness() -> list[str]:
    """Up to which day each source was read; fails when a source is late."""
    from lgsp import store
    from lgsp.check import freshness

    with store.connect(connections.settings()) as connection:
        sources = freshness.measure(connection, datetime.now(LOCAL))
    if not any(source.covered_until for source in sources):
        raise AirflowSkipException("no snapshot was published yet: there is nothing to check")
    if stale := [str(source) for source in sources if not source.is_fresh]:
        raise AirflowFailException("; ".join(stale))
    return [str(source) for source in sources]


@task(retries=0)
def check_completeness() -> None:
    """Fail when records of the last 30 days are missing; the error names source, days, cause and agencies."""
    from lgsp import store
    from lgsp.check import completeness

    with store.connect(connections.settings()) as connection:
        newest = completeness.newest_day(connection)
        gaps = completeness.gaps(connection, None, newest - timedelta(days=29), newest, "missing") if newest else []
    if gaps:
        raise AirflowFailException("\n".join(completeness.gap_lines(gaps)))


@task(retries=0)
def check_quarantine_age() -> None:
    """Fail when rows have been in quarantine for too long; the error names source, rule and owner."""
    from lgsp import store
    from lgsp.check import quarantine

    with store.connect(connections.settings()) as connection:
        aged = quarantine.aged(connection)
    if aged:
        raise AirflowFailException(
            "; ".join(
                f"{group.source}: {group.records} records fail {group.rule_id}, the oldest for {group.oldest_days} days; "
                f"ask {group.owner}"
                for group in aged
            )
        )


@task(pool=defaults.PUBLISH_POOL)  # no snapshot is deleted meanwhile
def back_up() -> str:
    """Add a backup to the restic repository; a summary of it. Skipped when the environment names no repository."""
    from lgsp.maintain import backup

    made = backup.back_up(_settings_with_backups())
    return f"backup {made.restic_id[:8]} of {', '.join(made.databases)}: {made.bytes_added:,} of {made.bytes_read:,} bytes are new"


@task(retries=0, execution_timeout=timedelta(hours=24))
def drill() -> dict[str, object]:
    """Restore the newest backup next to the living store; fails when a table differs."""
    from lgsp.maintain import drill

    held = drill.hold(_settings_with_backups())
    different = [table.table for table in held.tables if not table.is_equal]
    if different:
        raise AirflowFailException(
            f"the backup of snapshot {held.snapshot_id} gives other rows in {', '.join(different)}; the page is {held.page / 'drill.html'}"
        )
    return {
        name: value for name, value in drill.as_json(held).items() if name.endswith(("seconds", "page", "snapshot_id"))
    }


def _settings_with_backups() -> Settings:
    from lgsp.maintain import restic

    settings = connections.settings()
    if not restic.is_configured(settings):
        raise AirflowSkipException("RESTIC_REPOSITORY is not set: nothing is backed up")
    return settings
