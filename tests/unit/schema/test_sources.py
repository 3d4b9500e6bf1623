"""A source declares its role; sources of one role declare a rank."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lgsp.errors import ContractError
from lgsp.schema import codelists, sources


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of sources in place of the shipped one: a copy of the portal."""
    text = (sources.FOLDER / "online_services" / "source.yml").read_text()
    (tmp_path / "online_services").mkdir()
    (tmp_path / "online_services" / "source.yml").write_text(text)
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    monkeypatch.setattr(sources, "load", sources.load.__wrapped__)
    return tmp_path


def _describe(folder: Path, name: str, **changes: object) -> None:
    description = yaml.safe_load((folder / "online_services" / "source.yml").read_text()) | changes
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "source.yml").write_text(yaml.safe_dump(description, allow_unicode=True))


def test_the_shipped_sources_have_their_precedence() -> None:
    shipped = ["one_stop_shop", "online_services", "documents"]
    assert [source.name for source in sources.every() if source.name in shipped] == shipped
    assert [name for name in sources.of_dossiers() if name in shipped] == shipped[:2]


def test_an_unknown_role_is_an_error_that_names_the_file(folder: Path) -> None:
    _describe(folder, "online_services", role="archive")
    with pytest.raises(
        ContractError, match=r"sources/online_services/source\.yml: unknown role 'archive'; known are one_stop"
    ):
        sources.load("online_services")


@pytest.mark.parametrize("rank", [None, 1])
def test_two_sources_of_a_role_need_ranks_of_their_own(folder: Path, rank: int | None) -> None:
    _describe(folder, "second_portal", rank=rank)
    with pytest.raises(ContractError, match=r"second_portal/source\.yml: they share the role 'portal'"):
        sources.every()


def test_a_rank_orders_sources_of_one_role(folder: Path) -> None:
    _describe(folder, "a_second_portal", rank=2)
    assert [source.name for source in sources.every()] == ["online_services", "a_second_portal"]


def test_a_source_may_bring_code_lists_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new_portal").mkdir()
    (tmp_path / "new_portal" / "codelists.yml").write_text('channel: {"7": online}\n')
    monkeypatch.setattr(codelists, "files", lambda package: tmp_path)
    assert codelists.meanings("channel", "new_portal") == {"7": "online"}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"volume": {"key": "dossiers", "most_times": 20}}, "volume.from_count: Field required"),
        ({"rank": "first"}, "rank: Input should be a valid integer, unable to parse string as an integer"),
        ({"unknown_field": "halt"}, "unknown_field: Input should be 'warn' or 'stop'"),
        (
            {"freshness": {"hour": 36}},
            "freshness.hours: Field required; freshness.hour: Extra inputs are not permitted",
        ),
        ({"colour": "red"}, "colour: Unexpected keyword argument"),
    ],
)
def test_a_wrong_key_or_value_is_an_error_that_names_it(folder: Path, changes: dict[str, object], wrong: str) -> None:
    _describe(folder, "online_services", **changes)
    with pytest.raises(ContractError) as error:
        sources.load("online_services")
    assert str(error.value) == f"sources/online_services/source.yml: {wrong}"


def test_the_name_of_a_source_must_be_importable(folder: Path) -> None:
    _describe(folder, "district-portal", rank=2)
    with pytest.raises(ContractError, match="such as 'district_portal'"):
        sources.every()
