"""Load the contracts (one ODCS 3.1 YAML file for each shared table) and derive artefacts from them.

Derived are the SQL DDL with comments, the Parquet schema with descriptions, the SQL of row hashes, and the rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lgsp import sql
from lgsp.errors import ContractError
from lgsp.schema import yaml_file
from lgsp.schema.column import Column

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = Path(str(files("lgsp"))) / "contracts"
RULES = Path(str(files("lgsp"))) / "rules"

SEVERITIES = ("blocker", "error", "warning", "info")
# The engine of a rule: DuckDB for rows of the kind that the rule names, or PostgreSQL for all rows of a shared table.
ENGINES = {"lgsp-row": None, "lgsp-table": "table"}
SENDS_TO_QUARANTINE = ("blocker", "error")

# Columns about how a row was published; they are not part of its content, and may differ between equal datasets.
LINEAGE = ("batch_id", "snapshot_id")

# Ratios are hashed as whole numbers: both databases compute these with the same IEEE operations.
FLOAT_SCALE = 1_000_000_000_000


@dataclass(frozen=True)
class Rule:
    """A rule: `bad` is an SQL predicate that is true for a row that breaks it.

    It is evaluated in DuckDB for the harmonised records of kind `kind`, or with the kind `batch` for the metrics of one
    batch; with the kind `table`, in PostgreSQL for all rows of the shared table `table`. `proof` has the changes of the
    sample row that make it break the rule, and those with which it just keeps it.
    """

    id: str
    kind: str
    severity: str
    bad: str
    meaning: str
    meaning_vi: str
    why: str
    version: str
    table: str = ""
    owner: str = ""
    shows: tuple[str, ...] = ()
    fix: str | None = None  # the file to fix or extend when rows break the rule
    is_acceptable: bool = True
    is_relative: bool = (
        False  # depends on other rows of the batch: it is counted, but not recorded as a flag of the row
    )
    proof: dict[str, Any] | None = field(default=None, hash=False, compare=False)
    native: dict[str, Any] | None = field(default=None, hash=False, compare=False)

    @property
    def is_blocking(self) -> bool:
        """Whether a row that breaks this rule is quarantined, and a batch or table that breaks it is refused."""
        return self.severity in SENDS_TO_QUARANTINE


@dataclass(frozen=True)
class Contract:
    """One shared table: its columns, key, partition and rules.

    Of a fact table it has the columns with the agencies whose readers may see a row, or the table whose row of the same id
    decides; a table with neither is shown whole to every reader.
    """

    name: str
    version: str
    description: str
    meaning_vi: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    agency_columns: tuple[str, ...] = ()
    agency_of: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The key columns, in order."""
        return tuple(column.name for column in self.columns if column.is_key)

    @property
    def names(self) -> tuple[str, ...]:
        """All column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def recorded(self) -> tuple[Column, ...]:
        """The columns that the records of sources also have, in order."""
        return tuple(column for column in self.columns if column.is_recorded)

    @property
    def data_names(self) -> tuple[str, ...]:
        """The names of the columns with content, without those about how the row was published."""
        return tuple(name for name in self.names if name not in LINEAGE)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns that each row stores, in order; the others are joined to it."""
        return tuple(column for column in self.columns if column.is_stored)

    @property
    def stored_names(self) -> tuple[str, ...]:
        """The names of the columns that each row stores, in order."""
        return tuple(column.name for column in self.stored_columns)

    @property
    def versioned_names(self) -> tuple[str, ...]:
        """The names of the columns with content that each row stores: a row has a new version when one of them changes."""
        return tuple(name for name in self.stored_names if name not in LINEAGE)

    @property
    def period_column(self) -> Column | None:
        """The column that is the same for all rows of a period; None when rows store all columns."""
        return next((column for column in self.columns if not column.is_stored), None)

    @property
    def storage(self) -> str:
        """The table that stores the current rows: `shared.<name>`, or the table below the view of that name."""
        return f"{'indicator' if self.period_column else 'shared'}.{self.name}"

    @property
    def partition(self) -> Column | None:
        """The column by whose local month the Parquet files are partitioned; None when they are not."""
        return next((column for column in self.columns if column.is_partition), None)

    def part_sql(self, alias: str = "") -> str:
        """The PostgreSQL expression of the partition of a row: its month as YYYY-MM, or 'all'."""
        column = self.partition
        if column is None:
            return "'all'"
        name = f"{alias}{column.name}"
        local = f"({name} at time zone 'Asia/Ho_Chi_Minh')" if column.type == "timestamptz" else name
        return f"to_char({local}, 'YYYY-MM')"

    def ddl(self, table: str, extra: str = "", key: tuple[str, ...] | None = None) -> str:
        """The statements that create a table for its stored rows, with comments; safe to repeat."""
        key = self.key if key is None else key
        columns = self.stored_columns
        lines = [f"{c.name} {c.definition}{' not null' if c.is_required or c.name in key else ''}" for c in columns]
        primary = f", primary key ({', '.join(key)})" if key else ""
        body = ",\n  ".join(lines)
        comments = self.comments("table", table, columns)
        return f"create table if not exists {table} (\n  {body}{extra}{primary}\n);\n{comments}"

    def comments(self, kind: str, relation: str, columns: tuple[Column, ...]) -> str:
        """The statements that describe a table or view (`kind`) and its columns."""
        return comments(kind, relation, self.description, self.meaning_vi, columns)

    def arrow_schema(self) -> pa.Schema:
        """The Parquet schema; every column has its description."""
        import pyarrow as pa

        types = {
            "text": pa.string(), "boolean": pa.bool_(), "integer": pa.int32(), "bigint": pa.int64(), "date": pa.date32(),
            "timestamptz": pa.timestamp("us", "UTC"), "text[]": pa.list_(pa.string()), "double precision": pa.float64(),
        }  # fmt: skip
        fields = [
            pa.field(
                c.name,
                pa.decimal128(*c.precision_and_scale) if c.base_type == "numeric" else types[c.type],
                metadata={"description": c.note, "description_vi": c.note_vi},
            )
            for c in self.columns
        ]
        about = {"contract": f"lgsp.{self.name}", "version": self.version, "description": self.description}
        return pa.schema(fields, metadata=about)

    def hash_sql(self, dialect: str, names: tuple[str, ...]) -> str:
        """The SQL of the 60-bit content hash of a row over `names`; PostgreSQL and DuckDB give the same number."""
        texts = [_text_sql(column, dialect) for column in self.columns if column.name in names]
        text = "concat_ws(chr(31), " + ", ".join(f"coalesce({text}, '\\N')" for text in texts) + ")"
        if dialect == "postgresql":
            return f"('x' || substr(md5({text}), 1, 15))::bit(60)::bigint"
        return f"('0x' || substr(md5({text}), 1, 15))::bigint"


def comments(kind: str, relation: str, description: str, meaning_vi: str, columns: Iterable[Column]) -> str:
    """The statements that describe a table or view (`kind`) and its columns, in English and Vietnamese."""
    lines = [f"comment on {kind} {relation} is {sql.quoted(f'{description} ({meaning_vi})')};"]
    lines += [f"comment on column {relation}.{c.name} is {sql.quoted(f'{c.note} ({c.note_vi})')};" for c in columns]
    return "\n".join(lines)


def _text_sql(column: Column, dialect: str) -> str:
    """The SQL of a column as canonical text: timestamps as epoch microseconds, dates ISO, ratios as scaled whole numbers."""
    name, is_postgresql = column.name, dialect == "postgresql"
    if column.type == "timestamptz":
        return (
            f"(extract(epoch from {name}) * 1000000)::bigint::text" if is_postgresql else f"epoch_us({name})::varchar"
        )
    if column.type == "date":
        return f"to_char({name}, 'YYYY-MM-DD')" if is_postgresql else f"strftime({name}, '%Y-%m-%d')"
    if column.type == "double precision":
        # larger numbers have fewer decimal places, so that they fit into 64 bits
        scaled = f"floor({name} * case when abs({name}) < 1e6 then {FLOAT_SCALE} else 1000 end)"
        return f"{scaled}::bigint::{'text' if is_postgresql else 'varchar'}"
    if column.type == "text[]":
        return f"array_to_string({name}, chr(30))"
    return f"{name}::{'text' if is_postgresql else 'varchar'}"


@cache
def load(name: str) -> Contract:
    """The contract of a shared table. Raises ContractError when it is missing or invalid."""
    from open_data_contract_standard.model import OpenDataContractStandard

    path = FOLDER / f"{name}.yml"
    if not path.exists():
        raise ContractError(f"there is no contract {path.name}")
    document = OpenDataContractStandard.model_validate(yaml_file.read(path))
    table: Any = document.schema_[0] if document.schema_ else None
    if table is None or table.name != name:
        raise ContractError(f"{path.name}: its schema must describe the table {name!r}")
    columns = tuple(Column.parse(item, path.name) for item in table.properties)
    rules = tuple(_rule(item, str(document.version), path.name, name) for item in table.quality or [])
    properties = {p.property: p.value for p in table.customProperties or []}
    agency_columns = tuple(properties.get("agencyColumns", ()))
    if unknown := set(agency_columns) - {column.name for column in columns}:
        raise ContractError(
            f"{path.name}: agencyColumns names {', '.join(sorted(unknown))}, which the table does not have"
        )
    return Contract(
        name, str(document.version), table.description or "", table.businessName or "", columns, rules,
        agency_columns, properties.get("agencyOf"),
    )  # fmt: skip


def _rule(item: Any, version: str, file: str, table: str) -> Rule:
    if item.engine not in ENGINES or not item.implementation:
        raise ContractError(f"{file}: rule {item.id} cannot be compiled (type {item.type}, engine {item.engine})")
    if item.severity not in SEVERITIES:
        raise ContractError(f"{file}: rule {item.id} has severity {item.severity!r}; known are {', '.join(SEVERITIES)}")
    properties = {p.property: p.value for p in item.customProperties or []}
    return Rule(
        id=item.id, kind=ENGINES[item.engine] or properties["kind"], table=table, severity=item.severity, bad=item.implementation, meaning=item.description,
        meaning_vi=properties["vi"], why=properties["why"], version=version, shows=tuple(properties.get("shows", ())),
        owner=properties.get("owner", ""), fix=properties.get("fix"), native=properties.get("native"), proof=properties.get("proof"),
        is_relative=bool(properties.get("relative", False)),
        is_acceptable=bool(properties.get("acceptable", item.severity != "blocker")),
    )  # fmt: skip


@cache
def names() -> tuple[str, ...]:
    """The names of all shared tables, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yml")))


def every() -> list[Contract]:
    """All contracts."""
    return [load(name) for name in names()]


@cache
def rules(kind: str) -> tuple[Rule, ...]:
    """The rules for a kind of harmonised record, for batches as a whole (`batch`), or for shared tables (`table`)."""
    return tuple(rule for contract in every() for rule in contract.rules if rule.kind == kind) + _rules_of_file(kind)


def _rules_of_file(kind: str) -> tuple[Rule, ...]:
    """The rules of a kind without a shared table of its own, from `rules/<kind>.yml`."""
    from open_data_contract_standard.model import OpenDataContractStandard

    path = RULES / f"{kind}.yml"
    if not path.exists():
        return ()
    document = OpenDataContractStandard.model_validate(yaml_file.read(path))
    return tuple(
        _rule(item, str(document.version), path.name, kind)
        for table in document.schema_ or []
        for item in table.quality or []
    )


@cache
def sample(kind: str) -> dict[str, Any]:
    """A row of a kind that breaks no rule, from `rules/samples.yml`; a text beginning with `=` is a DuckDB expression.

    `kind` can also be the name of a shared table, with the prefix `shared.` where a kind of record has the same name.
    """
    samples = yaml_file.read(RULES / "samples.yml")
    if kind not in samples:
        raise ContractError(f"samples.yml has no row of kind {kind!r}")
    return dict(samples[kind])


def quarantine_rule_ids() -> list[str]:
    """The ids of all rules that quarantine rows, in alphabetical order."""
    return sorted(rule.id for shared in every() for rule in shared.rules if rule.kind != "table" and rule.is_blocking)
