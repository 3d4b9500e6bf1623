"""Every remembered result is of one of two kinds: of the program alone, or forgotten when the province's files change."""

from __future__ import annotations

import ast
from datetime import date
from pathlib import Path

import lgsp
from lgsp import config
from lgsp.harmonise import duckdb_functions
from lgsp.harmonise.organisations import matcher
from lgsp.schema import codelists, sources
from lgsp.vietnam import successions, territories, territory_versions, working_days, working_time
from tests.unit.configure.conftest import OwnFolder
from tests.unit.configure.test_mistakes import CORRECTION

PACKAGE = Path(lgsp.__file__).parent

# Their results depend on the program, on their arguments or on the machine, never on files in LGSP_CONFIG. A new cache belongs
# here, or is made with `config.cached`.
OF_THE_PROGRAM = {
    "check.data_docs._environment",
    "check.gate._batch_definition",
    "check.gate._view",
    "configure.acceptance._report",
    "configure.acceptance._warn_deprecated",
    "configure.acceptance.program",
    "harmonise.dossier_columns._selected",
    "harmonise.dossier_columns.computed_columns",
    "harmonise.field_sql.treatments",
    "indicators.compute._load_sql",
    "indicators.compute.defined_by",
    "indicators.definitions._shipped",
    "indicators.definitions.ratios.ratios",
    "install.program_fingerprint",
    "report.html._environment",
    "report.translations.load",
    "schema.codelists._source_code_lists",
    "schema.contract.load",
    "schema.contract.names",
    "schema.contract.rules",
    "schema.contract.sample",
    "schema.sources._schema",
    "schema.views.by_name",
    "serve.metadata.csdl",
    "serve.model.sets",
    "serve.publications._turtle",
    "snapshots.descriptions._program",
    "snapshots.descriptions.encoded",
    "snapshots.readback._reader",
    "sources.documents.edxml._names",
    "sources.documents.edxml_schema._alike",
    "sources.documents.edxml_schema._first_alike",
    "sources.documents.edxml_schema.schema",
    "sources.documents.edxml_schema.validate_shape",
    "sources.documents.xml_node._spellings",
    "sources.documents.xml_node.canonical",
    "sources.documents.xml_node.profile_elements",
    "sql.read",
    "store.embedded_postgres._ordinary_user",
    "store.migrations.every",
    "store.migrations.routines",
    "vietnam.text.name_keys._parts_of_word",
    "vietnam.text.repair._is_plain_token",
    "vietnam.text.syllables.is_syllable",
    "vietnam.text.syllables.is_well_written",
    "vietnam.working_days._official",
}  # fmt: skip


def _remembering() -> set[str]:
    """The functions that functools remembers, by module and name."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__").replace("/", ".")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for decorator in getattr(node, "decorator_list", ()):
                name = ast.unparse(decorator).partition("(")[0].rpartition(".")[2]
                if name in ("cache", "lru_cache"):
                    found.add(f"{module}.{node.name}")  # type: ignore[attr-defined]
    return found


def test_every_cache_has_its_kind() -> None:
    assert _remembering() == OF_THE_PROGRAM


def test_no_cache_is_made_in_another_way() -> None:
    calls = [
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")
        if "lru_cache(maxsize=most)(" in path.read_text(encoding="utf-8") or " = cache(" in path.read_text(encoding="utf-8")
    ]  # fmt: skip
    assert calls == ["config/activation.py"]


def test_a_changed_folder_changes_every_computed_value(own: OwnFolder) -> None:
    assert "lgsp.vietnam.working_days.calendar" in config.caches()
    before = _values()
    own.write("codelists/dossier_status.yml", 'one_stop_shop: {"77": finished}')
    own.write("codelists/organisation_alias.yml", "any: {Sở Nhà đất: Sở Xây dựng}\nwords: {SND: sở nhà đất}")
    own.write("sources/one_stop_shop.yml", "overlap_minutes: 45\nquiet_hours: ['22:00-05:00']")
    own.write("corrections/one_stop_shop.yml", CORRECTION)
    own.write("working_days.csv", "day_on,is_working_day,name,legal_basis\n2027-02-03,false,Nghỉ,TB 1\n")
    own.write("agency_successions.csv", ",".join(successions.COLUMNS) + "\n,Sở A,,Sở B,2026-01-01,merged,,NQ 1,x,yes\n")
    own.write("territories/unit_changes.csv", "code,effective_on,former_name,name,legal_basis\n20410,2026-05-01,Phường Hội An Đông,Phường Cẩm Thanh,NQ 2\n")  # fmt: skip
    assert own.mistakes() == []
    own.accept()
    after = _values()
    assert [name for name in before if before[name] == after[name]] == []
    config.use(config.SHIPPED)
    assert _values() == before


def _values() -> dict[str, object]:
    day = date(2027, 2, 3)
    return {
        "codes": codelists.meanings("dossier_status", "one_stop_shop").get("77"),
        "aliases": matcher.known_aliases("documents"),
        "abbreviations": matcher._abbreviations()("snd"),
        "source": (sources.load("one_stop_shop").overlap_minutes, sources.load("one_stop_shop").quiet_hours),
        "corrections": sources.load("one_stop_shop").corrections,
        "is working": working_days.is_working(day),
        "calendar": working_days.calendar(),
        "working time": [bool(each) for each in working_time.is_working([day])],  # type: ignore[arg-type]
        "macro": duckdb_functions.calendar_sql(),
        "successions": successions.load(),
        "units": territory_versions.units(),
        "places by name": territories.find("Cẩm Thanh", "commune", ["48"], date(2026, 6, 1)),
    }
