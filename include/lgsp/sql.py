"""SQL text: files of a package, with their placeholders filled in, and literals."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from string import Template


class _Sql(Template):
    """SQL in which only `${name}` is a placeholder: `$1` and `$$` belong to PostgreSQL."""

    pattern = r"\$(?:(?P<escaped>(?!))|(?P<named>(?!))|\{(?P<braced>[a-z_]+)\}|(?P<invalid>(?!)))"  # type: ignore[assignment]


def load(package: str, name: str, **parts: object) -> str:
    """The SQL of `sql/<name>.sql` in a package, with each placeholder `${part}` replaced by the part of that name.

    Raises ValueError when a placeholder has no part or a part has no placeholder.
    """
    template = _Sql(read(package, f"sql/{name}.sql"))
    wanted = set(template.get_identifiers())
    if wanted != parts.keys():
        raise ValueError(f"{package}/sql/{name}.sql: placeholders {sorted(wanted)}, but given are {sorted(parts)}")
    return template.substitute({key: str(value) for key, value in parts.items()})


def placeholders(package: str, name: str) -> list[str]:
    """The placeholders of `sql/<name>.sql` in a package."""
    return _Sql(read(package, f"sql/{name}.sql")).get_identifiers()


def names(package: str) -> list[str]:
    """The names of all SQL files of a package, as `load` takes them, in alphabetical order."""
    with as_file(files(package).joinpath("sql")) as folder:
        return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.sql"))


@cache
def read(package: str, path: str) -> str:
    """The text of a file in a package."""
    return files(package).joinpath(*path.split("/")).read_text(encoding="utf-8")


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
