"""Tests of the house rules: sizes, imports, documentation and descriptions."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
import yaml

from lgsp.cli.main import main
from lgsp.schema import codelists, contract, dictionary, sources

ROOT = Path(__file__).resolve().parents[2]
CODE = [path for folder in ("include", "plugins", "dags") for path in (ROOT / folder).rglob("*.py")]


@functools.cache
def _nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(path: Path) -> set[str]:
    names = [alias.name for node in _nodes(path) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in _nodes(path) if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", [path for path in CODE if "include/lgsp" in str(path)], ids=lambda path: path.stem)
def test_the_package_never_imports_airflow(path: Path) -> None:
    assert not {"airflow", "wiring"} & _imports(path)


def _documentation() -> str:
    """README and the pages of docs/, as one text."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return "\n".join(page.read_text() for page in pages)


def _tests_by_id() -> dict[str, str]:
    """The test of each promise, fault and control."""
    groups: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "tests" / "promises.yml").read_text())
    return {promise_id: test for group in groups.values() for promise_id, test in group.items()}


@pytest.mark.parametrize(("promise_id", "test"), _tests_by_id().items())
def test_every_promise_names_a_test_that_exists(promise_id: str, test: str) -> None:
    path, name = test.split("::")
    assert f"def {name}(" in (ROOT / path).read_text(), promise_id


@pytest.mark.parametrize(("promise_id", "test"), _tests_by_id().items())
def test_no_promise_rests_on_an_exhaustive_test(promise_id: str, test: str) -> None:
    path, name = test.split("::")
    text = (ROOT / path).read_text()
    assert not re.search(rf"pytest\.mark\.exhaustive\n(?:@.*\n)*def {name}\(|^pytestmark.*exhaustive", text, re.MULTILINE), promise_id  # fmt: skip


def test_every_promise_of_the_documentation_has_its_test() -> None:
    promised = set(re.findall(r"\b[PFS]\d+\b(?!-)", _documentation()))
    assert promised and promised <= _tests_by_id().keys()


def test_every_id_in_a_test_name_is_in_promises_yml() -> None:
    names = [
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def test_(\w+)\(", path.read_text())
    ]
    ids = {promise_id.upper() for name in names for promise_id in re.findall(r"(?:^|_)([pfs]\d+)(?=_)", name)}
    assert ids <= _tests_by_id().keys()


@pytest.mark.parametrize("name", ["README.md", "README.vi.md"])
def test_the_readme_is_one_page(name: str) -> None:
    assert len((ROOT / name).read_text().split()) <= 700


def test_every_link_of_the_documentation_leads_to_a_file() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_data_dictionary_agrees_with_the_contracts() -> None:
    assert (ROOT / "docs" / "data-dictionary.md").read_text() == dictionary.markdown(), "run `make docs`"


def test_every_command_is_in_the_documentation_or_makefile() -> None:
    documentation = _documentation() + (ROOT / "Makefile").read_text()
    groups = {"province", "pools", "up", "ps", "down", "demo", "backfill", "init", "dictionary"}
    assert [name for name in main.commands if name not in groups and f"lgsp {name}" not in documentation] == []


@pytest.mark.parametrize("name", contract.names())
def test_every_column_is_described_in_both_languages(name: str) -> None:
    shared = contract.load(name)
    assert shared.key and all(column.description and column.meaning_vi for column in shared.columns)


def test_every_rule_has_a_meaning_and_a_reason() -> None:
    rules = [rule for shared in contract.every() for rule in shared.rules]
    assert all(rule.meaning and rule.meaning_vi and rule.why for rule in rules)
    assert len({rule.id for rule in rules}) == len(rules)
    assert all((ROOT / "include" / "lgsp" / rule.fix).exists() for rule in rules if rule.fix)


@pytest.mark.parametrize("name", sources.names())
def test_every_source_is_a_folder_with_a_description(name: str) -> None:
    source = sources.load(name)
    assert source.title and source.lists and source.code("client").Client and source.code("rows").harmonise


def test_every_code_list_starts_with_a_description() -> None:
    assert all((codelists.FOLDER / f"{name}.yml").read_text().startswith("#") for name in codelists.names())


def test_a_rule_that_cannot_be_compiled_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (contract.FOLDER / "work_file.yml").read_text().replace("engine: lgsp-row", "engine: something-else", 1)
    (tmp_path / "work_file.yml").write_text(text)
    monkeypatch.setattr(contract, "FOLDER", tmp_path)
    with pytest.raises(Exception, match="cannot be compiled"):
        contract.load.__wrapped__("work_file")


def _calls(path: Path) -> list[ast.Call]:
    return [node for node in _nodes(path) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.stem)
def test_every_text_file_is_opened_with_its_encoding(path: Path) -> None:
    """Without one Python uses that of the locale, and a Latin-1 server cannot read a Vietnamese name."""
    lines = []
    for call in _calls(path):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        modes = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        is_module = isinstance(owner, ast.Name) and (owner.id[0].isupper() or owner.id in {"os", "csv_file", "sql"})
        is_text = name in {"read_text", "write_text"} or (name == "open" and not any("b" in mode for mode in modes))
        is_file = is_text and owner is not None and not is_module
        if is_file and "encoding" not in {keyword.arg for keyword in call.keywords}:
            lines.append(call.lineno)
    assert lines == []


# A path between quotes of an SQL text ends at its first apostrophe: `sql.file_literal` and `sql.parquet` quote it.
PATH_IN_QUOTES = re.compile(r"""(?:from|to|=|\()\s*'\{(?!MEMORY)[^}'"]*(?:path|file|folder|staged|accepted|spill|root)[^}'"]*\}""", re.IGNORECASE)  # fmt: skip


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.stem)
def test_no_sql_has_a_path_between_quotes(path: Path) -> None:
    assert PATH_IN_QUOTES.findall(path.read_text(encoding="utf-8")) == []
