"""Tests that no readable personal data leaves the landing area."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lgsp.check import personal_data
from lgsp.schema import records
from lgsp_province import World
from lgsp_province.world import people
from tests.integration.conftest import Installation


def _persons(world: World) -> set[str]:
    """Names, identity numbers and phone numbers of all applicants, as the world spells them."""
    dossiers = world.dossiers
    applicants = [
        people.person(int(bits), bool(firm)) for bits, firm in zip(dossiers.applicant, dossiers.is_firm, strict=True)
    ]
    return {value for person in applicants for value in (person.name, person.identity_number, person.phone)}


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def test_p17_no_person_is_anywhere_outside_the_landing_area(published: Installation, world: World) -> None:
    persons = _persons(world)
    assert len(persons) > 500
    found: set[str] = set()
    folders = (published.settings.shared / "snapshots", published.settings.staging)
    files = [list(folder.rglob("*.parquet")) for folder in folders]
    assert all(files), "both folders contain files"
    for path in (path for paths in files for path in paths):
        for row in pq.read_table(path).to_pylist():
            found |= {text for value in row.values() for text in _texts(value)}
    for table in (
        "ledger.quarantine",
        "ledger.check_result",
        "ledger.batch",
        "history.dossier",
        "record.dossier",
        "restricted.applicant_token",
        "restricted.phone_token",
    ):
        found |= {
            text
            for row in published.query(f"select * from {table}")
            for value in row.values()
            for text in _texts(value)
        }
    found |= {path.read_text() for path in published.settings.docs.rglob("*.html")}
    everything = "\n".join(found)
    assert [value for value in persons if value in everything] == []


def test_the_landing_area_is_closed_to_other_users(published: Installation) -> None:
    for folder in (published.settings.landing / "one_stop_shop").iterdir():
        assert folder.stat().st_mode & 0o077 == 0


def test_the_staging_area_has_no_column_with_personal_data(published: Installation) -> None:
    columns = {
        name
        for path in Path(published.settings.staging).rglob("dossier.parquet")
        for name in pq.read_schema(path).names
    }
    assert columns and not columns & {"applicant_name", "fullname", "identity_number", "email", "phone"}


@pytest.mark.parametrize(
    ("column", "value", "category"),
    [("notation", "UBND-VP 049094000123", "identity"), ("alias", "UBND xã ông Nguyễn Văn Bình", "name"), ("subject", "ĐT 0905 123 456", "phone")],
)  # fmt: skip
def test_s19_a_person_in_a_shared_text_stops_the_batch(tmp_path: Path, column: str, value: str, category: str) -> None:
    kind = next(kind for kind in records.KINDS.values() if column in kind.columns)
    plain = "Báo cáo số 785/STTTT-CNTT"
    sound = pa.table(
        {name: pa.array([[plain] if type_ == "text[]" else plain]) for name, type_ in kind.columns.items()}
    )
    with duckdb.connect() as con:
        pq.write_table(sound, tmp_path / f"{kind.name}.parquet")
        assert personal_data.scan(con, tmp_path, records.KINDS.values()) == []
        spoilt = sound.set_column(sound.schema.get_field_index(column), column, pa.array([value]))
        pq.write_table(spoilt, tmp_path / f"{kind.name}.parquet")
        (finding,) = personal_data.scan(con, tmp_path, records.KINDS.values())
    assert (finding.kind, finding.column, finding.category) == (kind.name, column, category)
    assert value not in str(finding)
