"""List the values in a province's files, each with its line, and compare them with those of the program and of another copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lgsp.config import Config
from lgsp.configure import checks
from lgsp.configure.yaml_checks import CHANGEABLE, QUIET, UNKNOWN_FIELD
from lgsp.indicators import definitions
from lgsp.schema import codelists, csv_file, located_yaml, sources
from lgsp.vietnam import holiday_overrides, successions, territory_files

LISTED = "listed"  # the value of an element of a list
Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Value:
    """One value: its file in LGSP_CONFIG, the keys that identify it in the file, what is written there, and the line."""

    file: str
    keys: tuple[str, ...]
    text: str
    line: int

    @property
    def key(self) -> Key:
        """What the same value has in another copy."""
        return self.file, self.keys

    def __str__(self) -> str:
        return f"{' '.join(self.keys)} = {self.text}" if self.keys else self.text


def of_program() -> list[Value]:
    """The values of the program that a province can change, by file."""
    files = [*checks.FILES, *(f"{folder}/{name}" for folder, names in checks.folders().items() for name in names)]
    return [value for file in files if (path := _shipped(file)).exists() for value in _in_file(file, path)]


def of_copy(config: Config) -> list[Value]:
    """The values in a copy of a province's folder, by file."""
    if config.folder is None:
        return []
    paths = sorted(path for path in config.folder.rglob("*") if path.is_file())
    names = [path.relative_to(config.folder).as_posix() for path in paths]
    return [value for name, path in zip(names, paths, strict=True) for value in _in_file(name, path)]


def _shipped(file: str) -> Path:
    """The program's own file of the same kind."""
    folder, _, name = file.rpartition("/")
    if file == holiday_overrides.OWN:
        return holiday_overrides.FILE
    if folder in ("", territory_files.OWN):
        return territory_files.FOLDER / name
    if folder == definitions.OWN:
        return definitions.FOLDER / name
    if folder == codelists.OWN:
        return codelists.FOLDER / name
    return sources.FOLDER / Path(name).stem / ("source.yml" if folder == sources.OWN else "corrections.yml")


def _in_file(file: str, path: Path) -> Iterator[Value]:
    folder, _, name = file.rpartition("/")
    if file == holiday_overrides.OWN:
        yield from _rows(file, path, holiday_overrides.COLUMNS, ("day_on",))
    elif file == successions.OWN:
        yield from _rows(file, path, successions.COLUMNS, successions.KEY)
    elif folder == territory_files.OWN:
        table = territory_files.TABLES[Path(name).stem]
        yield from _rows(file, path, table.columns, table.key)
    elif folder == definitions.OWN:
        yield Value(file, (), f"{len(csv_file.read_text(path).splitlines())} lines", 1)
    elif folder == sources.OWN_CORRECTIONS:
        for item in located_yaml.parse(path) or ():
            yield Value(file, (item["list"], item["field"], item["says"]), str(item["means"]), item.line)
    elif path.suffix == ".yml":
        yield from _leaves(file, path, is_source=folder == sources.OWN)
    else:
        yield Value(file, (), path.read_text(encoding="utf-8").strip(), 1)


def _rows(file: str, path: Path, columns: tuple[str, ...] | list[str], key: tuple[str, ...]) -> Iterator[Value]:
    for line, row in csv_file.rows(path, columns):
        rest = [f"{column} {row[column]}" for column in columns if column not in key and row[column]]
        yield Value(file, tuple(row[column] for column in key), ", ".join(rest), line)


def _leaves(file: str, path: Path, is_source: bool) -> Iterator[Value]:
    for leaf in located_yaml.leaves(path):
        name = ".".join(leaf.keys)
        if is_source:
            if name in CHANGEABLE or leaf.keys[0] in (QUIET, UNKNOWN_FIELD):
                yield Value(file, (name,), leaf.text, leaf.line)
        elif len(leaf.keys) > 1 and leaf.keys[-1].isdigit() and not leaf.text == "" and _is_listed(path, leaf.keys[0]):
            yield Value(file, (leaf.keys[0], leaf.text), LISTED, leaf.line)
        else:
            yield Value(file, leaf.keys, leaf.text, leaf.line)


def _is_listed(path: Path, section: str) -> bool:
    """Whether a section of a code list is a list of texts, not codes with their meanings."""
    return isinstance(codelists.load_shipped(path.stem).get(section), list)


def by_key(values: list[Value]) -> Mapping[Key, Value]:
    """The values by file and keys; of two with the same keys the last one counts."""
    return {value.key: value for value in values}


def different(before: Config, after: Config) -> list[tuple[Key, str | None, str | None]]:
    """The values that two copies give differently: key, value before and after; None where there is none.

    What a copy does not have is as in the program.
    """
    shipped = by_key(of_program())
    one, other = by_key(of_copy(before)), by_key(of_copy(after))
    found = []
    for key in sorted({*one, *other}):
        texts = [value.text if (value := each.get(key, shipped.get(key))) else None for each in (one, other)]
        if texts[0] != texts[1] or (key[0].startswith(f"{definitions.OWN}/") and (key in one) != (key in other)):
            found.append((key, texts[0], texts[1]))
    return found
