"""When the response to a commit is lost, the publisher looks up whether it took place, and never publishes twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from lgsp.cli.main import main
from lgsp.errors import SettingError
from lgsp.publish import stage
from lgsp.publish.context import PublishRun
from lgsp.snapshots import recovery
from tests.faults import proxy, stores
from tests.integration.conftest import Installation


def _publish(installation: Installation, url: str) -> Result:
    environment = {**installation.settings.environment, "LGSP_DATABASE_URL": url}
    return CliRunner().invoke(main, ["publish"], env=environment)


def _times_published(installation: Installation) -> int:
    return int(installation.query("select count(*) as n from ledger.publication")[0]["n"])


def test_f31_a_commit_without_a_response_is_found_and_activated(
    harmed: Installation,
) -> None:
    with proxy.in_front_of(str(harmed.settings.database_url)) as (network, url):
        network.cut_at_commit = "delivered"
        interrupted = _publish(harmed, url)
        assert network.cuts == 1
        again = _publish(harmed, url)
    assert (interrupted.exit_code, again.exit_code) == (0, 0), interrupted.output + again.output
    assert "snapshot_id: 2" in interrupted.output and "nothing to publish" in again.output
    assert stores.newest(harmed) == stores.pointed(harmed) == _times_published(harmed) == 2
    stores.assert_complete_snapshots(harmed)


def test_f31_a_commit_that_never_arrived_is_retried_once(harmed: Installation) -> None:
    with proxy.in_front_of(str(harmed.settings.database_url)) as (network, url):
        network.cut_at_commit = "lost"
        interrupted = _publish(harmed, url)
        assert network.cuts == 1
        assert (interrupted.exit_code, stores.newest(harmed), stores.pointed(harmed)) == (1, 1, 1), interrupted.output
        assert interrupted.output.startswith("lgsp: ") and interrupted.exception.__class__ is SystemExit
        again = _publish(harmed, url)
    assert again.exit_code == 0, again.output
    assert stores.newest(harmed) == stores.pointed(harmed) == _times_published(harmed) == 2
    stores.assert_complete_snapshots(harmed)


def test_f31_the_next_run_decides_when_the_store_is_unreachable(
    harmed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> bool:
        raise SettingError("the SQL store does not answer")

    with proxy.in_front_of(str(harmed.settings.database_url)) as (network, url):
        network.cut_at_commit = "delivered"
        with monkeypatch.context() as patch:
            patch.setattr(recovery, "was_committed", unreachable)
            interrupted = _publish(harmed, url)
        assert interrupted.exit_code == 1 and "did not answer whether snapshot 2 was published" in interrupted.output
        assert _publish(harmed, url).exit_code == 0
    assert stores.newest(harmed) == stores.pointed(harmed) == _times_published(harmed) == 2


@pytest.mark.slow
def test_f32_a_slow_or_resetting_network_tears_no_snapshot(harmed: Installation) -> None:
    with proxy.in_front_of(str(harmed.settings.database_url)) as (network, url):
        network.reset_chance = 0.01
        for _ in range(3):
            result = _publish(harmed, url)
            assert result.exit_code in (0, 1) and result.exception.__class__ in (SystemExit, type(None)), result.output
            stores.assert_complete_snapshots(harmed)
        network.reset_chance, network.latency_seconds = 0.0, 0.002
        assert _publish(harmed, url).exit_code == 0
    assert stores.newest(harmed) == stores.pointed(harmed) == 2


@pytest.mark.parametrize("step", ["merge_batches", "link_dossiers", "write_snapshot"])
def test_f30_a_publication_whose_session_is_ended_is_rolled_back(
    harmed: Installation, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    run_step = stage._run_step

    def end_session_before(called: Callable[[PublishRun], None], run: PublishRun) -> None:
        if called.__name__ == step:
            harmed.query("select pg_terminate_backend(%s)", run.transaction.one("select pg_backend_pid()"))
        run_step(called, run)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "_run_step", end_session_before)
        interrupted = _publish(harmed, str(harmed.settings.database_url))
    assert interrupted.exit_code == 1 and interrupted.output.startswith("lgsp: ")
    assert (stores.newest(harmed), stores.pointed(harmed)) == (1, 1)
    assert _publish(harmed, str(harmed.settings.database_url)).exit_code == 0
    assert stores.newest(harmed) == stores.pointed(harmed) == _times_published(harmed) == 2
    stores.assert_complete_snapshots(harmed)
