"""The gate of the check stage: missed canaries, unconfirmed counts, overruled refusals, and the number of Data Docs pages."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from lgsp import check, harmonise, publish, store
from lgsp.check import data_docs, gate, row_rules
from lgsp.cli.main import main
from lgsp.errors import BatchRefused
from lgsp.land.archive import Pack
from lgsp.schema import contract
from lgsp.store import ledger
from lgsp.window import Window
from tests.integration.conftest import Installation
from tests.samples import DAY, LISTS, one_stop

Feed = Callable[..., str]
TIMES = ("acceptedDate", "completedDate", "modifiedDate")


@pytest.fixture
def harmonised(installation: Installation) -> Callable[..., str]:
    """Lands records of the one-stop-shop and harmonises them; returns the batch's id."""

    def harmonised_batch(*rows: dict[str, Any]) -> str:
        import orjson

        with store.connect(installation.settings) as connection:
            batch = ledger.open_batch(connection, "one_stop_shop", DAY)
        pack = Pack(installation.settings.landing / batch.landing_path)
        for name, answer in {**LISTS["one_stop_shop"], "dossiers": {"content": list(rows)}}.items():
            pack.annotate(pack.append(name, name, 200, orjson.dumps(answer), 0.0, True), is_whole=True)
        pack.seal({"declared": len(rows), "read": len(rows), "gap": 0})
        with store.connect(installation.settings) as connection:
            ledger.advance(connection, batch.batch_id, "landed")
        return harmonise.run(installation.settings, [batch.batch_id])[0]

    return harmonised_batch


def _results(installation: Installation, batch_id: str) -> dict[str, dict[str, Any]]:
    rows = installation.query("select * from ledger.check_result where batch_id = %s", batch_id)
    return {row["rule_id"]: row for row in rows if not row["suite"].startswith("native")}


def _bad(number: int) -> dict[str, Any]:
    return one_stop(id=f"b{number}", dossierStatus={"id": 77})


def test_a_rule_that_misses_its_canary_refuses_the_batch(
    installation: Installation, harmonised: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = harmonised(one_stop(), _bad(1))
    rules = contract.rules
    for broken in ("DOS_STATUS_MAPPED", "DOS_ID_DUMMY"):  # one quarantines rows, the other only flags them
        monkeypatch.setattr(row_rules.contract, "rules", lambda kind, broken=broken: tuple(
            replace(rule, bad="false") if rule.id == broken else rule for rule in rules(kind)))  # fmt: skip
        with pytest.raises(BatchRefused, match=f"CANARY .*dossier: {broken}"):
            check.run(installation.settings, [batch_id])
        assert not (installation.settings.staging / batch_id / "accepted").exists()
    monkeypatch.undo()
    check.run(installation.settings, [batch_id])
    (row,) = installation.query("select source_key, rule_id from ledger.quarantine")
    assert row == {"source_key": "b1", "rule_id": "DOS_STATUS_MAPPED"}, "canaries are not added to the quarantine"
    result = _results(installation, batch_id)["DOS_STATUS_MAPPED"]
    assert (result["severity"], result["checked_count"], result["failed_count"], result["sample_keys"]) == (
        "error",
        2,
        1,
        ["b1"],
    )
    assert result["rule_version"] == contract.load("dossier").version


def test_a_test_record_without_any_time_is_quarantined(installation: Installation, harmonised: Feed) -> None:
    test_applicant = {"data": {"fullname": "Test", "applicantType": 1}}
    batch_id = harmonised(
        one_stop(),
        one_stop(id="t1", applicant=test_applicant),
        one_stop(id="t2", applicant=test_applicant, **dict.fromkeys(TIMES)),
    )
    check.run(installation.settings, [batch_id])
    assert [row["source_key"] for row in installation.query("select source_key from ledger.ignored_record")] == ["t1"]
    assert {row["source_key"] for row in installation.query("select source_key from ledger.quarantine")} == {"t2"}
    publish.run(installation.settings)
    check.run(installation.settings, harmonise.run(installation.settings, [batch_id]))  # as for a cleared Airflow task
    assert publish.run(installation.settings) is None and installation.batch(batch_id).state == "published"


def test_an_override_passes_a_batch_with_many_quarantined_rows(installation: Installation, harmonised: Feed) -> None:
    batch_id = harmonised(one_stop(), *map(_bad, range(6)))
    with pytest.raises(BatchRefused, match=r"DOS_STATUS_MAPPED .*QUARANTINED_SHARE"):
        check.run(installation.settings, [batch_id])
    with store.connect(installation.settings) as connection:
        ledger.overrule(
            connection, ledger.batch(connection, batch_id), "QUARANTINED_SHARE", "an", "a new code, asked about"
        )
    check.run(installation.settings, [batch_id])
    assert installation.batch(batch_id).counts["quarantined_count"] == 6


def test_a_count_not_confirmed_by_the_gate_refuses_the_batch(
    installation: Installation, harmonised: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = harmonised(one_stop(), _bad(1))
    monkeypatch.setattr(pd.Series, "max", lambda *_, **__: 0)  # Great Expectations sees no failure
    with pytest.raises(BatchRefused, match=r"DOS_STATUS_MAPPED .*could not be evaluated"):
        check.run(installation.settings, [batch_id])


def test_a_refused_batch_passes_only_with_an_override(
    installation: Installation, harmonised: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in installation.settings.environment.items():
        monkeypatch.setenv(name, value)

    def lgsp(*arguments: str) -> Any:
        return CliRunner().invoke(main, list(arguments))

    good = [one_stop(id=f"g{n}", code=f"000.25.20.H47-260803-{n:04d}", receiptCode=f"BN-g{n}") for n in range(20)]
    check.run(installation.settings, [harmonised(*good)])
    publish.run(installation.settings)
    deleted = [
        {**row, "deletedDate": "2026-08-03T05:00:00.000+0000", "modifiedDate": "2026-08-03T05:00:00.000+0000"}
        for row in good[:6]
    ]
    batch_id = harmonised(*deleted)
    with pytest.raises(BatchRefused, match=r"MASS_DELETION .*deleted_count 6, deleted_limit 5"):
        check.run(installation.settings, [batch_id])
    assert publish.run(installation.settings) is None
    assert "MASS_DELETION" in lgsp("batch", "show", batch_id).output
    refused = lgsp("batch", "accept", batch_id, "CONSERVATION", "--why", "no")
    assert refused.exit_code == 1 and "cannot be overruled" in refused.output
    accepted = lgsp("batch", "accept", batch_id, "MASS_DELETION", "--by", "an", "--why", "the archive took them")
    assert accepted.exit_code == 0, accepted.output
    published = publish.run(installation.settings)
    assert published and len(installation.query("select 1 from shared.dossier")) == 14
    result = _results(installation, batch_id)["MASS_DELETION"]
    assert not result["is_passed"] and "overruled by an: the archive took them" in result["observed"]
    listed = json.loads(lgsp("batch", "list", "--json").output.splitlines()[0])
    assert (listed["batch_id"], listed["state"]) == (batch_id, "published")
    refused = lgsp("batch", "accept", batch_id, "MASS_DELETION", "--why", "again")
    assert refused.exit_code == 1 and "only a refused batch" in refused.output


def test_only_the_pages_of_the_newest_checks_are_kept(installation: Installation) -> None:
    settings = installation.settings
    rule = contract.rules("dossier")[0]
    result = gate.RuleResult("rows · dossier", rule, 10, 1, True, True, sample_keys=("<b>k</b>",))
    suite = gate.SuiteResult(
        "rows · dossier", [result], "<html><head></head><script src='https://x'></script>GX</html>"
    )
    with store.connect(settings) as connection:
        for number in range(data_docs.MAX_CHECKS + 3):
            window = Window.of_days(date(2026, 8, 1 + number), date(2026, 8, 1 + number))
            batch = ledger.open_batch(connection, "one_stop_shop", window)
            connection.execute(
                "update ledger.batch set created_at = now() + %s * interval '1 second' where batch_id = %s",
                [number, batch.batch_id],
            )
            ledger.advance(connection, batch.batch_id, "checked")
            data_docs.publish(
                settings.docs, connection, batch, [suite], [{"rule_id": rule.id, "organisation_id": "H47.20.25"}]
            )
    folder = settings.docs / "one_stop_shop"
    kept = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert (
        len(kept) == data_docs.MAX_CHECKS
        and kept[-1] == batch.batch_id
        and not any("2026-08-01" in name for name in kept)
    )
    page = (folder / batch.batch_id / "index.html").read_text()
    assert (
        "H47.20.25" in page
        and rule.meaning_vi in page
        and rule.meaning in page
        and "&lt;b&gt;k" in page
        and "<b>k" not in page
    )
    assert all(name in (folder / "index.html").read_text() for name in kept)
    assert "https:" not in (folder / batch.batch_id / "rows-dossier.html").read_text()
