"""The tasks: each one call into the package, handing on batch ids and never data."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from lgsp.window import LOCAL
from wiring import assets, connections, defaults, windows


@task
def land(source: str) -> list[str]:
    """Fetch the run's window from a source and keep the exact bytes."""
    window = windows.of_run(get_current_context())
    from lgsp import install, land

    settings = connections.settings(source)
    install.ensure(settings)
    return land.run(settings, source, window)


@task
def landed() -> list[str]:
    """The batches that were landed before, to be harmonised again with the source switched off."""
    context = get_current_context()
    source, window = context["params"]["source"], windows.of_run(context)
    from lgsp import land

    batches = land.landed(connections.settings(), source, window)
    if not batches:
        raise AirflowFailException(f"{source} {window}: nothing was landed there; run ingest_{source} for it instead")
    return batches


@task
def pick() -> list[str]:
    """The chosen rows of the quarantine as new batches over their landed bytes; skipped when none waits."""
    params = get_current_context()["params"]
    chosen = params["quarantine_ids"] or [], params["rule_id"], params["source"]
    if not any(chosen):
        raise AirflowFailException("say which rows: give quarantine_ids, rule_id or source")
    from lgsp.maintain import redrive

    batches = redrive.pick(connections.settings(), *chosen)
    if not batches:
        raise AirflowSkipException("no such row waits in quarantine")
    return batches


@task
def harmonise(batch_ids: list[str]) -> list[str]:
    """Turn landed records into typed rows in one language."""
    from lgsp import harmonise

    return harmonise.run(connections.settings(), batch_ids)


@task
def check(batch_ids: list[str]) -> list[str]:
    """Judge the batches: bad rows go to quarantine, a bad batch stops here."""
    from lgsp import check

    return check.run(connections.settings(), batch_ids)


@task
def tell(batch_ids: list[str]) -> str:
    """What driving rows again changed: how many passed, and what still holds the others."""
    from lgsp.maintain import redrive

    return str(redrive.outcome(connections.settings(), batch_ids))


@task
def sweep(source: str) -> str:
    """Compare a source with what is known here, key by key, and mend what differs; what was found, in words."""
    context = get_current_context()
    span, params = windows.of_sweep(context, source), context["params"]
    from lgsp.maintain import sweep

    accepted_by = f"run {context['run_id']} of sweep_sources" if params["accept_deletions"] else None
    swept = sweep.run(
        connections.settings(source), source, span, is_thorough=params["thorough"], accepted_by=accepted_by
    )
    return "; ".join(map(str, swept))


@task(pool=defaults.PUBLISH_POOL, outlets=[assets.SHARED_DATASET])
def publish() -> int:
    """Publish every checked batch in one snapshot; skipped, and nothing announced, when none waits."""
    from lgsp import install, publish
    from lgsp.publish import hold

    settings = connections.settings()
    install.ensure(settings, is_publishing=True)
    publication = publish.run(settings)
    if publication is None:
        raise AirflowSkipException(hold.on_hold(settings) or "no checked batch waits to be published")
    return publication.snapshot_id


@task(pool=defaults.PUBLISH_POOL)
def recover() -> list[str]:
    """Repair what a crash left; what was mended, in words."""
    from lgsp import install
    from lgsp.snapshots import recovery

    settings = connections.settings()
    install.ensure(settings)
    return recovery.run(settings)


@task(pool=defaults.PUBLISH_POOL)
def retire() -> str:
    """Take away what nobody may still be reading; what it was, in words."""
    from lgsp.maintain import retention

    return str(retention.run(connections.settings()))


@task
def verify() -> str:
    """Prove the newest snapshot; fails when a side is not what was published, skipped before the first."""
    from lgsp.errors import NothingPublished, PublicationFailed
    from lgsp.maintain import verify

    try:
        snapshot_id, proofs = verify.run(connections.settings())
    except NothingPublished as nothing:
        raise AirflowSkipException(str(nothing)) from nothing
    except PublicationFailed as failure:
        raise AirflowFailException(str(failure)) from failure
    if different := [proof.table for proof in proofs if not proof.is_equal]:
        raise AirflowFailException(f"snapshot {snapshot_id} is not as published: {', '.join(different)}")
    return f"snapshot {snapshot_id} is as published: {len(proofs)} tables"


@task(retries=0)
def fresh() -> list[str]:
    """How far each source's data reaches; fails when one has fallen behind."""
    from lgsp import store
    from lgsp.check import freshness

    with store.connect(connections.settings()) as connection:
        found = freshness.freshness(connection, datetime.now(LOCAL))
    if not any(one.covered_until for one in found):
        raise AirflowSkipException("nothing was published yet: there is nothing to watch")
    if stale := [str(one) for one in found if not one.is_fresh]:
        raise AirflowFailException("; ".join(stale))
    return [str(one) for one in found]


@task(retries=0)
def complete() -> None:
    """Fails when records of the last 30 days are missing, naming source, days, cause and agencies."""
    from lgsp import store
    from lgsp.check import completeness

    with store.connect(connections.settings()) as connection:
        newest = completeness.newest_day(connection)
        gaps = completeness.gaps(connection, None, newest - timedelta(days=29), newest, "missing") if newest else []
    if gaps:
        raise AirflowFailException("\n".join(completeness.told(gaps)))


@task(retries=0)
def quarantine_age() -> None:
    """Fails when rows have been in quarantine for too long, naming source, rule and whom to ask."""
    from lgsp import store
    from lgsp.check import quarantine

    with store.connect(connections.settings()) as connection:
        aged = quarantine.aged(connection)
    if aged:
        raise AirflowFailException(
            "; ".join(
                f"{one.source}: {one.records} records fail {one.rule_id}, the oldest for {one.oldest_days} days; ask {one.owner}"
                for one in aged
            )
        )
