"""Load SQL files of a package, fill in their placeholders, and quote literals."""

from __future__ import annotations

import glob
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from string import Template
from typing import Protocol, TypeVar

Row = TypeVar("Row", covariant=True)


class _Sql(Template):
    """SQL text in which only `${name}` is a placeholder: `$1` and `$$` are PostgreSQL syntax."""

    pattern = r"\$(?:(?P<escaped>(?!))|(?P<named>(?!))|\{(?P<braced>[a-z_]+)\}|(?P<invalid>(?!)))"  # type: ignore[assignment]


def load(package: str, name: str, **parts: object) -> str:
    """The SQL of `sql/<name>.sql` in a package, with each placeholder `${part}` replaced by the argument of that name.

    Raises ValueError when a placeholder has no argument or an argument has no placeholder.
    """
    template = _Sql(read(package, f"sql/{name}.sql"))
    expected = set(template.get_identifiers())
    if expected != parts.keys():
        raise ValueError(f"{package}/sql/{name}.sql has placeholders {sorted(expected)}, but got {sorted(parts)}")
    return template.substitute({key: str(value) for key, value in parts.items()})


def placeholders(package: str, name: str) -> list[str]:
    """The names of the placeholders in `sql/<name>.sql` of a package."""
    return _Sql(read(package, f"sql/{name}.sql")).get_identifiers()


def names(package: str) -> list[str]:
    """The names of all SQL files of a package, as `load` expects them, in alphabetical order."""
    with as_file(files(package).joinpath("sql")) as folder:
        return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.sql"))


@cache
def read(package: str, path: str) -> str:
    """The text of a UTF-8 file in a package, by its path within the package."""
    return files(package).joinpath(*path.split("/")).read_text(encoding="utf-8")


def quoted(text: str) -> str:
    """A text as a quoted SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """A path that DuckDB writes to, as a quoted SQL literal."""
    return quoted(str(path))


def parquet(path: Path) -> str:
    """The DuckDB table of one Parquet file, whatever its path: `*?[` are no pattern, and a folder `a=b` is no column."""
    return f"read_parquet({quoted(glob.escape(str(path)))}, hive_partitioning = false)"


class Cursor(Protocol[Row]):
    """A cursor of psycopg or DuckDB."""

    def fetchone(self) -> Row | None:
        """The next row; None when there is none."""


def one_row(cursor: Cursor[Row]) -> Row:
    """The first row of a query that gives one. Raises LookupError when it gives none."""
    row = cursor.fetchone()
    if row is None:
        raise LookupError("the query gave no row")
    return row
