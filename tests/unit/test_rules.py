"""Every rule has an owner, a reason and a proof: a made-up row that breaks it and nothing else, and one that just keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import orjson
import pytest

from lgsp import contract, facts, privacy, proof, records, sources
from lgsp.contract import Rule
from lgsp.errors import ContractError
from lgsp.storage import Batch, Pack
from lgsp.workbench import Workbench
from tests.samples import DAY, LISTS

OWNERS = {"agency", "source", "platform"}
KINDS = (*(kind.name for kind in records.FACTS), "batch")
EVERY = [pytest.param(rule, id=rule.id) for kind in KINDS for rule in contract.rules(kind)]
ENDS = (DAY.end, datetime(2026, 8, 3, 3, 4, 5, 678901, tzinfo=UTC))
Broken = dict[tuple[str, str | None], set[str]]


def _columns(folder: Path, source: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The columns of a source's staged rows, and their types, learnt from a day on which nothing came."""
    pack = Pack(folder / "landed")
    for name, answer in LISTS[source].items():
        pack.annotate(pack.append(name, name, 200, orjson.dumps(answer), 0.0, False), is_whole=True)
    pack.seal({"declared": 0, "read": 0, "gap": 0})
    (folder / "harmonised").mkdir()
    told = sources.load(source)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        told.code("rows").harmonise(
            Workbench(con, told, Batch.open(folder / "landed"), "b.1", DAY, folder / "harmonised", b"key")
        )
        for kind in records.FACTS:
            if (file := folder / "harmonised" / f"{kind.name}.parquet").exists():
                described = con.execute(f"describe select * from '{file}'").fetchall()
                yield kind.name, {row[0]: row[1] for row in described} | {"window_to": "timestamptz"}


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The columns of the rows of every kind."""
    found = {"batch": {**facts.COLUMNS, "window_to": "timestamptz"}}
    for source in sources.names():
        found.update(_columns(tmp_path_factory.mktemp(source), source))
    return found


@pytest.fixture(scope="module")
def broken(columns: dict[str, dict[str, str]]) -> Broken:
    """Which rules each made-up row breaks: by side and the rule it is about, for windows that end at midnight and not."""
    found: Broken = {}
    for kind in KINDS:
        for side in ("fails", "keeps"):
            for end in ENDS:
                with duckdb.connect() as con:
                    con.execute("set TimeZone = 'UTC'")
                    proof.rows(con, kind, columns[kind], end, side)
                    if kind in records.KINDS:
                        privacy.mark(con, "proof", records.KINDS[kind])
                    for rule in contract.rules(kind):
                        where = f"coalesce({rule.bad}, false)"
                        for (about,) in con.execute(f"select canary from proof where {where}").fetchall():
                            found.setdefault((f"{side} {end:%H}", about), set()).add(rule.id)
    return found


@pytest.mark.parametrize("rule", EVERY)
def test_a_rule_says_whose_it_is_and_why(rule: Rule) -> None:
    assert rule.owner in OWNERS
    assert rule.meaning and rule.meaning_vi and rule.why
    assert rule.proof and {"fails", "keeps"} <= rule.proof.keys() <= {"fails", "keeps", "also"}
    assert rule.proof["fails"] != rule.proof["keeps"]


@pytest.mark.parametrize("rule", EVERY)
def test_a_rule_is_broken_by_the_row_that_should_break_it_and_by_that_alone(rule: Rule, broken: Broken) -> None:
    also = set((rule.proof or {}).get("also", ()))
    for end in ENDS:
        assert broken.get((f"fails {end:%H}", rule.id)) == {rule.id} | also


@pytest.mark.parametrize("rule", EVERY)
def test_a_rule_is_kept_by_the_row_that_just_keeps_it(rule: Rule, broken: Broken) -> None:
    for end in ENDS:
        assert rule.id not in broken.get((f"keeps {end:%H}", rule.id), set())


def test_a_sample_keeps_every_rule(broken: Broken) -> None:
    assert not [rules for (_, about), rules in broken.items() if about is None]


def test_a_rule_id_means_one_thing() -> None:
    ids = [rule.id for kind in KINDS for rule in contract.rules(kind)]
    assert len(ids) == len(set(ids)) > 60


@pytest.mark.parametrize("kind", [kind.name for kind in records.FACTS])
def test_every_rule_has_a_canary_that_no_source_sent(kind: str, columns: dict[str, dict[str, str]]) -> None:
    with duckdb.connect() as con:
        con.execute(f"create table staged ({', '.join(f'{n} {t}' for n, t in columns[kind].items())}, canary varchar)")
        proof.canaries(con, "staged", kind, DAY.end)
        found = con.execute("select canary, raw_hash, raw_pointer, window_to = ? from staged", [DAY.end]).fetchall()
    assert sorted(found) == sorted((r.id, f"canary:{r.id}", "canary", True) for r in contract.rules(kind))


def test_a_sample_of_a_column_that_is_gone_is_no_proof(columns: dict[str, dict[str, str]]) -> None:
    left = {name: type_ for name, type_ in columns["dossier"].items() if name != "is_disordered"}
    with duckdb.connect() as con, pytest.raises(ContractError, match="kind dossier have no column 'is_disordered'"):
        proof.rows(con, "dossier", left, DAY.end)


def test_a_rule_without_a_proof_is_told(monkeypatch: pytest.MonkeyPatch, columns: dict[str, dict[str, str]]) -> None:
    first, *others = contract.rules("work_file")
    monkeypatch.setattr(contract, "rules", lambda kind: (replace(first, proof=None), *others))
    with duckdb.connect() as con, pytest.raises(ContractError, match=first.id):
        proof.rows(con, "work_file", columns["work_file"], DAY.end)
