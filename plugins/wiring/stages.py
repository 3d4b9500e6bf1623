"""The tasks: each one call into the package, handing on batch ids and never data."""

from __future__ import annotations

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from wiring import assets, connections, defaults, windows


@task
def land(source: str) -> list[str]:
    """Fetch the run's window from a source and keep the exact bytes."""
    window = windows.of_run(get_current_context())
    from lgsp import land

    return land.run(connections.settings(source), source, window)


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
    from lgsp import redrive

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
    from lgsp import redrive

    return str(redrive.outcome(connections.settings(), batch_ids))


@task
def sweep(source: str) -> str:
    """Compare a source with what is known here, key by key, and mend what differs; what was found, in words."""
    context = get_current_context()
    span, params = windows.of_sweep(context, source), context["params"]
    from lgsp import sweep

    accepted_by = f"run {context['run_id']} of sweep_sources" if params["accept_deletions"] else None
    swept = sweep.run(
        connections.settings(source), source, span, is_thorough=params["thorough"], accepted_by=accepted_by
    )
    return "; ".join(map(str, swept))


@task(pool=defaults.PUBLISH_POOL, outlets=[assets.SHARED_DATASET])
def publish() -> int:
    """Publish every checked batch in one snapshot; skipped, and nothing announced, when none waits."""
    from lgsp import publish

    publication = publish.run(connections.settings())
    if publication is None:
        raise AirflowSkipException("no checked batch waits to be published")
    return publication.snapshot_id
