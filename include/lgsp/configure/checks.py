"""Find the mistakes in a province's files: each is one line with the file, the line, and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import duckdb

from lgsp import config
from lgsp.config import Config
from lgsp.config.folder import PROVINCE
from lgsp.configure import csv_checks, yaml_checks
from lgsp.configure.near_matches import meant
from lgsp.errors import ContractError
from lgsp.harmonise import duckdb_functions
from lgsp.harmonise.organisations import matcher
from lgsp.indicators import definitions
from lgsp.schema import codelists, sources
from lgsp.vietnam import holiday_overrides, successions, territories, territory_files, territory_versions, working_days

# A check of one file: its mistakes, as `line 3: …` or without a line.
Check = Callable[[str, Path], Iterator[str]]

FILES: Mapping[str, Check] = {
    holiday_overrides.OWN: csv_checks.working_days, successions.OWN: csv_checks.successions_of,
}  # fmt: skip


def folders() -> dict[str, dict[str, Check | None]]:
    """The files that each folder may have, with the check of each; definitions are checked together."""
    return {
        codelists.OWN: dict.fromkeys((f"{name}.yml" for name in codelists.names()), yaml_checks.code_list),
        sources.OWN: dict.fromkeys((f"{name}.yml" for name in sources.names()), yaml_checks.source),
        sources.OWN_CORRECTIONS: dict.fromkeys((f"{name}.yml" for name in sources.names()), yaml_checks.corrections),
        territory_files.OWN: dict.fromkeys((f"{name}.csv" for name in territory_files.TABLES), csv_checks.territories),
        definitions.OWN: dict.fromkeys(definitions.file_names()),
    }


def mistakes(draft: Config, files: Iterable[str]) -> Iterator[str]:
    """The mistakes in the active draft, which has these files."""
    assert draft.folder is not None
    known, is_readable = folders(), True
    for file in sorted(files):
        check, unknown = _check_of(file, known)
        if unknown:
            yield unknown
        for mistake in _in_file(check, file, draft.folder / file) if check else ():
            is_readable = False
            yield mistake
    if is_readable:
        yield from _of_the_whole(draft)


def _check_of(file: str, known: Mapping[str, Mapping[str, Check | None]]) -> tuple[Check | None, str | None]:
    """The check of a file, or why there is none."""
    folder, _, name = file.rpartition("/")
    if file == PROVINCE:
        return None, None
    if not folder:
        return FILES.get(
            file
        ), None if file in FILES else f"{file}: no such file is read; {meant(file, [*FILES, *known])}"
    if folder not in known:
        return None, f"{file}: no folder {folder} is read; {meant(folder, known)}"
    if name not in known[folder]:
        return None, f"{file}: no such file is read; {meant(name, known[folder])}"
    return known[folder][name], None


def _in_file(check: Check, file: str, path: Path) -> Iterator[str]:
    try:
        for mistake in check(Path(file).stem, path):
            yield f"{file}{' ' if mistake.startswith('line ') else ': '}{mistake}"
    except ContractError as error:
        yield _located(file, error)


def _located(file: str, error: ContractError) -> str:
    """An error of a loader, with the path of the file in place of its name."""
    name = Path(file).name
    return f"{file}{str(error)[len(name) :]}" if str(error).startswith(name) else f"{file}: {error}"


def _of_the_whole(draft: Config) -> Iterator[str]:
    """What is wrong only in the whole: all files are loaded as the stages load them."""
    if draft.province not in territory_versions.provinces():
        known = ", ".join(territory_versions.provinces())
        yield f"{PROVINCE}: no province has the code {draft.province!r}; known are {known}, others are added in territories/provinces.csv"
        return
    for folder, load in (
        (territory_files.OWN, _load_territories), (codelists.OWN, _load_code_lists), (sources.OWN, lambda: sources.every()),
        (holiday_overrides.OWN, lambda: working_days.calendar()), (definitions.OWN, _load_definitions),
    ):  # fmt: skip
        if config.file(folder) is None:
            continue
        try:
            load()
        except (ContractError, ValueError, KeyError, duckdb.Error) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            yield f"{folder}/{first}" if folder == definitions.OWN else f"{folder}: {first}"


def _load_territories() -> None:
    territories.current_codes()
    territory_versions.crosswalk()


def _load_code_lists() -> None:
    for source in sources.names():
        matcher.known_aliases(source)
    if config.file(f"{codelists.OWN}/{yaml_checks.TESTS}.yml") is None:
        return
    with duckdb.connect() as connection:
        duckdb_functions.load(connection, sources.names()[0], b"")
        for kind in ("procedure", "service", "agency", "applicant", "email"):  # DuckDB compiles the patterns
            connection.execute(f"select is_test_{kind}('')")


def _load_definitions() -> None:
    definitions.tables(config.file(definitions.OWN))
