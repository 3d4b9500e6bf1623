"""Every rule has an owner, a reason and a proof: an artificial row that breaks only this rule, and one that only just passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path

import duckdb
import orjson
import pytest

from lgsp.check import batch_metrics, canaries, personal_data, row_rules
from lgsp.check.row_rules import Decisions
from lgsp.errors import ContractError
from lgsp.harmonise.context import HarmoniseContext
from lgsp.land.archive import Batch, Pack
from lgsp.schema import contract, records, sources
from lgsp.schema.contract import Rule
from tests.samples import AGENCY, DAY, LISTS, one_stop, online
from tests.unit.sources.test_documents_rows import UUID, edoc

pytestmark = pytest.mark.slow

OWNERS = {"agency", "source", "platform"}
# Table rules that also read the ledger can only be tested in PostgreSQL.
TABLES = tuple(dict.fromkeys(rule.table for rule in contract.rules("table") if "ledger." not in rule.bad))
KINDS = tuple(dict.fromkeys([*(kind.name for kind in records.FACTS), "batch", *TABLES]))
EVERY = [pytest.param(rule, id=rule.id) for kind in KINDS for rule in canaries.rules_of(kind)]
ENDS = (DAY.end, datetime(2026, 8, 3, 3, 4, 5, 678901, tzinfo=UTC))
SIDES: tuple[canaries.Side, ...] = ("fails", "keeps")
Broken = dict[tuple[str, str], set[str]]


def _harmonised(folder: Path, source: str, *answers: tuple[str, str, object]) -> Iterator[tuple[str, Path]]:
    """The staged files of a batch with the lists of a source and further answers, given as (list, request, body)."""
    pack = Pack(folder / "landed")
    for name, request, body in [(name, name, body) for name, body in LISTS[source].items()] + list(answers):
        pack.annotate(pack.append(name, request, 200, orjson.dumps(body), 0.0, False), is_whole=True)
    pack.seal({"declared": 0, "read": 0, "gap": 0})
    (folder / "harmonised").mkdir()
    described = sources.load(source)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        described.code("rows").harmonise(
            HarmoniseContext(con, described, Batch.open(folder / "landed"), "b.1", DAY, folder / "harmonised", b"key")
        )
    for kind in records.FACTS:
        if (file := folder / "harmonised" / f"{kind.name}.parquet").exists():
            yield kind.name, file


def _flags(folder: Path, source: str, kind: str, *answers: tuple[str, str, object]) -> dict[str, set[str]]:
    """The ids of the rules that each record breaks, by its key."""
    file = dict(_harmonised(folder, source, *answers))[kind]
    found: dict[str, set[str]] = {}
    with duckdb.connect() as con:
        con.execute(
            f"set TimeZone = 'UTC'; create table staged as select *, timestamptz '{DAY.end}' as window_to from '{file}'"
        )
        personal_data.mark_rows(con, "staged", records.KINDS[kind])
        for rule in contract.rules(kind):
            rows = con.execute(f"select source_key, coalesce({rule.bad}, false) from staged").fetchall()
            for key, is_broken in rows:
                found.setdefault(key, set()).update({rule.id} if is_broken else set())
    return found


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The columns of the rows of every kind, as name to DuckDB type."""
    found = {"batch": {**batch_metrics.COLUMNS, "window_to": "timestamptz"}}
    for table in map(contract.load, TABLES):
        found[table.name] = {column.name: column.type for column in table.columns} | {"window_to": "timestamptz"}
    for source in sources.names():
        for kind, file in _harmonised(tmp_path_factory.mktemp(source), source):
            with duckdb.connect() as con:
                described = con.execute(f"describe select * from '{file}'").fetchall()
            found[kind] = {row[0]: row[1] for row in described} | {"window_to": "timestamptz"}
    return found


@pytest.fixture(scope="module")
def broken(columns: dict[str, dict[str, str]]) -> Broken:
    """The rules that each artificial row breaks, by (side and end of the window, its rule or, for a sample row, its kind).

    One window ends at midnight, the other does not.
    """
    found: Broken = {}
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        for kind, side, end in product(KINDS, SIDES, ENDS):
            canaries.create_table(con, kind, columns[kind], end, side)
            if kind in records.KINDS:
                personal_data.mark_rows(con, "proof", records.KINDS[kind])
            rules = canaries.rules_of(kind)
            flags = ", ".join(f"coalesce({rule.bad}, false)" for rule in rules)
            for tested, *is_broken in con.execute(f"select canary, {flags} from proof").fetchall():
                found[f"{side} {end:%H}", tested or kind] = {
                    rule.id for rule, fails in zip(rules, is_broken, strict=True) if fails
                }
    return found


@pytest.mark.parametrize("rule", EVERY)
def test_a_rule_has_an_owner_and_a_reason(rule: Rule) -> None:
    assert rule.owner in OWNERS
    assert rule.meaning and rule.meaning_vi and rule.why
    assert rule.proof and {"fails", "keeps"} <= rule.proof.keys() <= {"fails", "or", "keeps", "also"}
    assert rule.proof["fails"] != rule.proof["keeps"]


@pytest.mark.parametrize("rule", EVERY)
def test_a_rule_is_broken_by_its_own_row_and_no_other(rule: Rule, broken: Broken) -> None:
    proof = rule.proof or {}
    ways = [rule.id, *(f"{rule.id}:{number}" for number, _ in enumerate(proof.get("or", ()), 2))]
    for way, end in product(ways, ENDS):
        assert broken[f"fails {end:%H}", way] == {rule.id, *proof.get("also", ())}, way


@pytest.mark.parametrize("rule", EVERY)
def test_the_row_that_only_just_passes_a_rule_passes_it(rule: Rule, broken: Broken) -> None:
    for end in ENDS:
        assert rule.id not in broken[f"keeps {end:%H}", rule.id]


def test_a_sample_row_passes_every_rule(broken: Broken) -> None:
    assert [broken[f"keeps {end:%H}", kind] for kind in KINDS for end in ENDS] == [set()] * len(KINDS) * len(ENDS)


def test_rule_ids_are_unique() -> None:
    ids = [rule.id for kind in KINDS for rule in canaries.rules_of(kind)]
    assert len(ids) == len(set(ids)) > 60


@pytest.mark.parametrize("kind", [kind.name for kind in records.FACTS])
def test_every_rule_has_a_canary_marked_as_such(kind: str, columns: dict[str, dict[str, str]]) -> None:
    with duckdb.connect() as con:
        con.execute(f"create table staged ({', '.join(f'{n} {t}' for n, t in columns[kind].items())}, canary varchar)")
        canaries.insert(con, "staged", kind, DAY.end)
        found = con.execute("select canary, raw_hash, raw_pointer, window_to = ? from staged", [DAY.end]).fetchall()
    assert sorted(found) == sorted((r.id, f"canary:{r.id}", "canary", True) for r in contract.rules(kind))


def test_a_sample_with_an_unknown_column_raises_an_error(columns: dict[str, dict[str, str]]) -> None:
    left = {name: type_ for name, type_ in columns["dossier"].items() if name != "is_disordered"}
    with duckdb.connect() as con, pytest.raises(ContractError, match="kind dossier have no column 'is_disordered'"):
        canaries.create_table(con, "dossier", left, DAY.end)


def test_a_rule_without_a_proof_raises_an_error(
    monkeypatch: pytest.MonkeyPatch, columns: dict[str, dict[str, str]]
) -> None:
    first, *others = contract.rules("work_file")
    monkeypatch.setattr(contract, "rules", lambda kind: (replace(first, proof=None), *others))
    with duckdb.connect() as con, pytest.raises(ContractError, match=first.id):
        canaries.create_table(con, "work_file", columns["work_file"], DAY.end)


def test_a_quarantined_work_file_belongs_to_its_opening_day(tmp_path: Path, columns: dict[str, dict[str, str]]) -> None:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        canaries.create_table(con, "work_file", columns["work_file"], DAY.end)
        con.execute(
            f"copy (select * exclude (canary, window_to) replace (canary as source_key) from proof where canary is not null) to '{tmp_path / 'staged.parquet'}' (format parquet)"
        )
        kind = records.KINDS["work_file"]
        quarantine = row_rules.apply(
            con, kind, tmp_path / "staged.parquet", tmp_path / "accepted.parquet", DAY.end, Decisions()
        ).quarantine
    changed_on = date(2001, 6, 5)
    expected = {rule.id: date(2001, 6, 4) for rule in contract.rules("work_file") if rule.is_blocking}
    assert {row["rule_id"]: row["occurred_on"] for row in quarantine} == expected | {"WF_OPENED_FUTURE": changed_on}


def test_work_after_the_finish_is_flagged(tmp_path: Path) -> None:
    def steps(*codes: str) -> list[dict[str, str]]:
        return [{"TrangThai": code, "ThoiDiemXuLy": f"202608030{hour}0000"} for hour, code in enumerate(codes)]

    sent = [
        online(MaHoSo=f"{AGENCY}-260803-0001", TienDo=steps("1", "2", "4", "9", "10")),
        online(MaHoSo=f"{AGENCY}-260803-0002", TienDo=steps("1", "2", "4", "9", "4", "9")),
        online(MaHoSo=f"{AGENCY}-260803-0003", TienDo=steps("1", "2", "5", "4", "9", "9")),
        online(MaHoSo=f"{AGENCY}-260803-0004", TienDo=steps("1", "2", "4", "9"), NgayKetThucXuLy="20260803010000"),
    ]
    found = _flags(tmp_path, "online_services", "dossier", ("dossiers", "page", {"result": sent}))
    assert sorted(key[-4:] for key, rules in found.items() if "DOS_UPSTREAM_STATUS" in rules) == ["0002", "0004"]


def test_two_contents_with_one_key_and_change_time_are_flagged(tmp_path: Path) -> None:
    later = "2026-08-03T04:00:00.000+0000"
    sent = [one_stop(id="a"), one_stop(id="a", feeTotal=1), one_stop(id="b"), one_stop(id="b"),
            one_stop(id="c"), one_stop(id="c", feeTotal=1, modifiedDate=later)]  # fmt: skip
    found = _flags(tmp_path, "one_stop_shop", "dossier", ("dossiers", "page", {"content": sent}))
    assert {key for key, rules in found.items() if "DOS_DUP_KEY" in rules} == {"a"}


def test_a_due_date_on_a_day_off_is_flagged(tmp_path: Path) -> None:
    off, worked = {"2026-08-08", "2026-09-02", "2022-09-02", "2040-01-01"}, {"2026-08-07", "2022-09-05"}
    sent = [one_stop(id=day, appointmentDate=f"{day}T10:00:00.000+0000") for day in off | worked]
    found = _flags(tmp_path, "one_stop_shop", "dossier", ("dossiers", "page", {"content": sent}))
    assert {day for day, rules in found.items() if "DOS_DUE_NONWORKING" in rules} == off


def _answer(day: str, document_id: str = "") -> str:
    code = "<Code>1/UBND</Code>" if not document_id else ""
    organ = "" if document_id else "<OrganId>000.00.20.H47</OrganId>"
    return f"<ResponseFor>{organ}{code}<PromulgationDate>{day}</PromulgationDate><DocumentId>{document_id}</DocumentId></ResponseFor>"


def test_impossible_and_contradicting_messages_are_flagged(tmp_path: Path) -> None:
    sent = {
        "same day": edoc(more=_answer("2021/06/18"), key="000.00.07.H47,2021/06/18,1/A"),
        "the day after": edoc(more=_answer("2021/06/19"), key="000.00.07.H47,2021/06/18,2/A"),
        "unknown document": edoc(more=_answer("", UUID), key="000.00.07.H47,2021/06/18,3/A"),
        "nothing": edoc(more="<ResponseFor></ResponseFor>", key="000.00.07.H47,2021/06/18,4/A"),
        "once": edoc(key="000.00.07.H47,2021/06/18,5/A"),
        "again": edoc(key="000.00.07.H47,2021/06/18,5/A", subject="V/v  báo cáo"),
        "one": edoc(key="000.00.07.H47,2021/06/18,6/A"),
        "another": edoc(key="000.00.07.H47,2021/06/18,6/A", subject="V/v kiểm tra"),
    }
    listed = [{"docId": key, "messageType": "edoc", "createdTime": "2021/06/18 10:20:00"} for key in sent]
    answers = [("messages", "list", {"success": True, "data": listed})] + [
        ("edocs", f"getEdoc {key}", {"success": True, "data": {"edxml": xml, "attachments": []}})
        for key, xml in sent.items()
    ]
    found = _flags(tmp_path, "documents", "document", *answers)
    assert {key for key, rules in found.items() if "DOC_RESPONSEFOR_EXISTS" in rules} == {
        "the day after",
        "unknown document",
    }
    assert {key for key, rules in found.items() if "DOC_DUP" in rules} == {"one", "another"}


def test_every_rule_has_an_id_of_its_own() -> None:
    ids = [rule.id for kind in (*records.KINDS, "batch", "table") for rule in contract.rules(kind)]
    assert len(ids) == len(set(ids)), "the gate has one column for each rule of a batch"
