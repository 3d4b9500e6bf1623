"""Style that a script can check: plain words, sizes, and the modules at the root of the package."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lgsp import sql

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = [path for folder in ("include", "plugins", "dags") for path in sorted((ROOT / folder).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# Words of an older, private vocabulary, and the standard terms that replace them.
REPLACED = {
    r"told|tells|untold": "reported, recorded, described; or the noun: data, summary, message",
    r"said": "message, text, description",
    r"mends?|mended|mending": "fix, repair",
    r"undone": "repaired",
    r"woken": "on call",
    r"whoever": "the actual subject",
    r"befalls?|befell": "happens to",
    r"besides?": "next to, in addition to",
    r"in one go": "at once",
    r"kept back": "quarantined, retained",
}
WORDS = {re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.IGNORECASE): better for words, better in REPLACED.items()}
ANY = re.compile("|".join(pattern.pattern for pattern in WORDS), re.IGNORECASE)

MOST_LINES, MOST_FUNCTION_LINES, LONGEST_TEST_NAME = 400, 50, 60
ROOT_MODULES = {"__init__", "errors", "files", "install", "settings", "signing", "sql", "window"}
# Names of columns and keys that stores, files and programs of users have.
FROZEN = re.compile(r"told_id|refers_to_told|scope_told|is_told_twice|told_by")


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Identifiers, docstrings and comments of a Python file, with their lines; none when no word to replace is in it."""
    source = path.read_text()
    if not ANY.search(source.replace("_", " ")):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


@pytest.mark.parametrize(
    "path", [path for path in [*PRODUCT, *TESTS] if path != Path(__file__)], ids=lambda path: path.stem
)
def test_names_and_comments_use_standard_words(path: Path) -> None:
    replaced = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]!r}; write: {better}"
        for line, text in _texts(path)
        for pattern, better in WORDS.items()
        for match in pattern.finditer(FROZEN.sub("", text).replace("_", " "))
    ]
    assert replaced == []


def test_modules_and_functions_stay_short() -> None:
    long = [str(path.relative_to(ROOT)) for path in PRODUCT if len(path.read_text().splitlines()) > MOST_LINES]
    long += [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > MOST_FUNCTION_LINES
    ]
    assert long == []


def test_names_of_tests_stay_short() -> None:
    names = {name for path in TESTS for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert names
    assert sorted(name for name in names if len(name) > LONGEST_TEST_NAME) == []


def test_a_new_module_belongs_to_a_package() -> None:
    assert {path.stem for path in (ROOT / "include" / "lgsp").glob("*.py")} == ROOT_MODULES


def test_every_folder_with_python_is_a_package() -> None:
    folders = {path.parent for path in PRODUCT if "include" in path.parts and "docker" not in path.parts}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("name", [name for name in sql.names("lgsp.publish") if name.startswith(("do", "link"))])
def test_duckdb_parses_the_sql_of_linking(name: str) -> None:
    parts = dict.fromkeys(sql.placeholders("lgsp.publish", name), "1 as one")
    assert duckdb.extract_statements(sql.load("lgsp.publish", name, **parts))


def test_a_placeholder_without_a_part_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"dossiers/dossier\.sql has placeholders \['columns'\]"):
        sql.load("lgsp.publish", "dossiers/dossier")
    with pytest.raises(ValueError, match="but got"):
        sql.load("lgsp.publish", "dossiers/latest", columns="x")
