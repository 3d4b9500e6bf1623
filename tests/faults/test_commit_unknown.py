"""The answer to a commit can be lost: the publisher then finds out what became of it, and never publishes twice."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from lgsp.cli.main import main
from lgsp.errors import SettingError
from lgsp.snapshots import recovery
from tests.faults import proxy, stores
from tests.integration.conftest import Installation


def _publish(installation: Installation, url: str) -> Result:
    environment = {**installation.settings.environment, "LGSP_DATABASE_URL": url}
    return CliRunner().invoke(main, ["publish"], env=environment)


def _times_published(installation: Installation) -> int:
    return int(installation.query("select count(*) as n from ledger.publication")[0]["n"])


def test_f31_a_publication_whose_commit_was_not_answered_is_found_and_readers_are_led_to_it(
    harmed: Installation,
) -> None:
    with proxy.before(str(harmed.settings.database_url)) as (network, url):
        network.cut_at_commit = "delivered"
        cut = _publish(harmed, url)
        assert network.cuts == 1
        again = _publish(harmed, url)
    assert (cut.exit_code, again.exit_code) == (0, 0), cut.output + again.output
    assert "snapshot_id: 2" in cut.output and "nothing to publish" in again.output
    assert stores.newest(harmed) == stores.pointed(harmed) == _times_published(harmed) == 2
    stores.see_a_whole_snapshot(harmed)


def test_f31_a_commit_that_never_arrived_fails_clearly_and_the_next_run_publishes_once(harmed: Installation) -> None:
    with proxy.before(str(harmed.settings.database_url)) as (network, url):
        network.cut_at_commit = "lost"
        cut = _publish(harmed, url)
        assert network.cuts == 1
        assert (cut.exit_code, stores.newest(harmed), stores.pointed(harmed)) == (1, 1, 1), cut.output
        assert cut.output.startswith("lgsp: ") and cut.exception.__class__ is SystemExit
        again = _publish(harmed, url)
    assert again.exit_code == 0, again.output
    assert stores.newest(harmed) == stores.pointed(harmed) == _times_published(harmed) == 2
    stores.see_a_whole_snapshot(harmed)


def test_f31_while_the_store_stays_away_nobody_claims_to_know_and_the_next_run_finds_out(
    harmed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise SettingError("the SQL store does not answer")

    with proxy.before(str(harmed.settings.database_url)) as (network, url):
        network.cut_at_commit = "delivered"
        with monkeypatch.context() as patch:
            patch.setattr(recovery, "was_committed", away)
            cut = _publish(harmed, url)
        assert cut.exit_code == 1 and "did not say whether snapshot 2 was published" in cut.output
        assert _publish(harmed, url).exit_code == 0
    assert stores.newest(harmed) == stores.pointed(harmed) == _times_published(harmed) == 2


@pytest.mark.slow
def test_f32_a_slow_network_changes_nothing_and_a_reset_one_nothing_by_halves(harmed: Installation) -> None:
    with proxy.before(str(harmed.settings.database_url)) as (network, url):
        network.reset_chance = 0.01
        for _ in range(3):
            result = _publish(harmed, url)
            assert result.exit_code in (0, 1) and result.exception.__class__ in (SystemExit, type(None)), result.output
            stores.see_a_whole_snapshot(harmed)
        network.reset_chance, network.latency_seconds = 0.0, 0.002
        assert _publish(harmed, url).exit_code == 0
    assert stores.newest(harmed) == stores.pointed(harmed) == 2
