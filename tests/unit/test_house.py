"""House rules, as tests: what a reader of this project may rely on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from lgsp.cli.main import main
from lgsp.schema import codelists, contract, dictionary, sources

ROOT = Path(__file__).resolve().parents[2]
CODE = [path for folder in ("include", "plugins", "dags") for path in (ROOT / folder).rglob("*.py")]


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", [path for path in CODE if "include/lgsp" in str(path)], ids=lambda path: path.stem)
def test_the_package_never_imports_airflow(path: Path) -> None:
    assert not {"airflow", "wiring"} & _imports(path)


def test_files_can_be_read_in_a_sitting() -> None:
    assert [path for path in CODE if len(path.read_text().splitlines()) > 400] == []


def _claims() -> dict[str, str]:
    told: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "tests" / "promises.yml").read_text())
    return {claim: test for group in told.values() for claim, test in group.items()}


@pytest.mark.parametrize(("claim", "test"), _claims().items())
def test_every_claim_names_a_test_that_exists(claim: str, test: str) -> None:
    path, name = test.split("::")
    assert f"def {name}(" in (ROOT / path).read_text(), claim


def test_every_promise_of_the_readme_has_its_test() -> None:
    claimed = set(re.findall(r"\b[PFS]\d+\b(?!-)", (ROOT / "README.md").read_text()))
    assert claimed and claimed <= _claims().keys()


def test_every_id_in_a_test_name_is_claimed() -> None:
    names = [
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def test_(\w+)\(", path.read_text())
    ]
    ids = {found.upper() for name in names for found in re.findall(r"(?:^|_)([pfs]\d+)(?=_)", name)}
    assert ids <= _claims().keys()


def test_the_data_dictionary_is_the_contracts() -> None:
    assert (ROOT / "docs" / "data-dictionary.md").read_text() == dictionary.markdown(), "run `make docs`"


def test_every_command_is_in_the_readme_or_under_make() -> None:
    told = (ROOT / "README.md").read_text() + (ROOT / "Makefile").read_text()
    groups = {"province", "pools", "up", "ps", "down", "demo", "backfill", "init", "dictionary"}
    assert [name for name in main.commands if name not in groups and f"lgsp {name}" not in told] == []


@pytest.mark.parametrize("name", contract.names())
def test_every_column_is_described_in_both_languages(name: str) -> None:
    shared = contract.load(name)
    assert shared.key and all(column.description and column.meaning_vi for column in shared.columns)


def test_every_rule_says_what_it_means_and_why() -> None:
    rules = [rule for shared in contract.every() for rule in shared.rules]
    assert all(rule.meaning and rule.meaning_vi and rule.why for rule in rules)
    assert len({rule.id for rule in rules}) == len(rules)
    assert all((ROOT / "include" / "lgsp" / rule.fix).exists() for rule in rules if rule.fix)


@pytest.mark.parametrize("name", sources.names())
def test_a_source_is_a_folder_that_describes_itself(name: str) -> None:
    source = sources.load(name)
    assert source.title and source.lists and source.code("client").Client and source.code("rows").harmonise


def test_every_code_list_says_what_it_is() -> None:
    assert all((codelists.FOLDER / f"{name}.yml").read_text().startswith("#") for name in codelists.names())


def test_a_rule_that_cannot_be_compiled_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (contract.FOLDER / "work_file.yml").read_text().replace("engine: lgsp-row", "engine: something-else", 1)
    (tmp_path / "work_file.yml").write_text(text)
    monkeypatch.setattr(contract, "FOLDER", tmp_path)
    with pytest.raises(Exception, match="cannot be compiled"):
        contract.load.__wrapped__("work_file")
