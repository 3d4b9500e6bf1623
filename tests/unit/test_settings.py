"""Settings: errors name the missing variable, and no error or representation shows a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.errors import SettingError
from lgsp.settings import Endpoint, Settings


def test_a_missing_connection_names_its_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="AIRFLOW_CONN_DOCUMENTS"):
        Settings.from_env({"LGSP_HOME": str(tmp_path)}).endpoint("documents")


@pytest.mark.parametrize("text", ["not json", "[]", '{"login": "very-secret"}'])
def test_a_broken_connection_is_never_shown(text: str) -> None:
    with pytest.raises(SettingError, match="AIRFLOW_CONN_DOCUMENTS") as failure:
        Endpoint.from_json("documents", text)
    assert "very-secret" not in str(failure.value)


def test_secrets_are_not_in_a_representation() -> None:
    connection = '{"conn_type": "http", "schema": "http", "host": "h", "port": 1, "login": "l", "password": "pass-w", "extra": {"secret_key": "key-s"}}'
    endpoint = Endpoint.from_json("documents", connection)
    assert endpoint.base_url == "http://h:1"
    assert "pass-w" not in repr(endpoint) and "key-s" not in repr(endpoint)


def _address(**fields: Any) -> str:
    connection = {"conn_type": "http", "schema": "https", "host": "gateway.example.gov.vn", "port": 8443, **fields}
    return Endpoint.from_json("documents", json.dumps(connection)).base_url


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({}, "https://gateway.example.gov.vn:8443"),
        ({"port": "8443"}, "https://gateway.example.gov.vn:8443"),
        ({"port": None}, "https://gateway.example.gov.vn"),
        ({"port": ""}, "https://gateway.example.gov.vn"),
        ({"host": "https://gateway.example.gov.vn"}, "https://gateway.example.gov.vn:8443"),
        ({"host": "https://gateway.example.gov.vn:8443/"}, "https://gateway.example.gov.vn:8443"),
        ({"host": "gateway.example.gov.vn:8443", "port": None}, "https://gateway.example.gov.vn:8443"),
        ({"host": "gateway.example.gov.vn/lgsp/igate"}, "https://gateway.example.gov.vn:8443/lgsp/igate"),
        ({"host": " Gateway.example.gov.vn/\n"}, "https://gateway.example.gov.vn:8443"),
        ({"host": "http://gateway.example.gov.vn", "schema": None}, "http://gateway.example.gov.vn:8443"),
        ({"schema": None}, "https://gateway.example.gov.vn:8443"),
        ({"schema": "HTTP"}, "http://gateway.example.gov.vn:8443"),
        ({"host": "2001:db8::1", "port": 443}, "https://[2001:db8::1]:443"),
        ({"host": "[2001:db8::1]:8443", "port": None}, "https://[2001:db8::1]:8443"),
    ],
)
def test_an_address_is_read_as_people_fill_it_in(fields: dict[str, Any], address: str) -> None:
    assert _address(**fields) == address


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"host": ""}, "host must be a host name"),
        ({"host": None}, "host must be a host name"),
        ({"host": "login:very-secret@gateway.example.gov.vn"}, "host must be a host name"),
        ({"host": "gateway.example.gov.vn?a=1"}, "host must be a host name"),
        ({"host": "gateway example"}, "host must be a host name"),
        ({"host": "ftp://gateway.example.gov.vn"}, "schema must be http or https"),
        ({"host": "http://gateway.example.gov.vn"}, "schema must be http or https, and the same as in host"),
        ({"schema": "ftp"}, "schema must be http or https"),
        ({"port": "84b"}, "port must be a number from 1 to 65535"),
        ({"port": 0}, "port must be a number"),
        ({"port": 70000}, "port must be a number"),
        ({"host": "gateway.example.gov.vn:99"}, "host and port name two different ports"),
        ({"extra": "dstcode=x"}, "extra must be a JSON object"),
        ({"extra": "[1]"}, "extra must be a JSON object"),
    ],
)
def test_a_wrong_field_of_a_connection_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message) as failure:
        _address(**fields)
    assert "AIRFLOW_CONN_DOCUMENTS" in str(failure.value) and "very-secret" not in str(failure.value)


@pytest.mark.parametrize("extra", [{"a": 1}, '{"a": 1}', ' {"a": 1}\n'])
def test_extra_may_be_a_text(extra: object) -> None:
    assert Endpoint.from_json("documents", json.dumps({"host": "h", "extra": extra})).extra == {"a": 1}


@pytest.mark.parametrize("extra", [None, "", " ", {}, "{}"])
def test_extra_may_be_empty(extra: object) -> None:
    assert Endpoint.from_json("documents", json.dumps({"host": "h", "login": None, "extra": extra})).extra == {}


@given(
    st.dictionaries(
        st.sampled_from(["host", "schema", "port", "login", "extra"]),
        st.none() | st.text() | st.integers() | st.lists(st.integers()),
    )
)
def test_any_connection_is_an_address_or_a_setting_error(fields: dict[str, Any]) -> None:
    try:
        endpoint = Endpoint.from_json("documents", json.dumps(fields))
    except SettingError as error:
        assert "AIRFLOW_CONN_DOCUMENTS" in str(error)
    else:
        assert endpoint.base_url.startswith(("http://", "https://")) and not endpoint.base_url.endswith("/")


def test_an_external_database_requires_a_token_key(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="LGSP_TOKEN_KEY"):
        Settings.from_env({"LGSP_HOME": str(tmp_path), "LGSP_DATABASE_URL": "postgresql://x"}).token_key()


def test_a_generated_token_key_is_stable_and_private(
    tmp_path: Path,
) -> None:
    settings = Settings.from_env({"LGSP_HOME": str(tmp_path)})
    assert settings.token_key() == settings.token_key()
    assert (tmp_path / "token.key").stat().st_mode & 0o077 == 0


def test_the_request_limit_of_a_source_can_be_set(tmp_path: Path) -> None:
    settings = Settings.from_env({"LGSP_HOME": str(tmp_path), "LGSP_REQUESTS_PER_MINUTE_DOCUMENTS": "30"})
    assert (settings.requests_per_minute("documents", 600), settings.requests_per_minute("one_stop_shop", 600)) == (
        30,
        600,
    )
    with pytest.raises(SettingError, match="whole number"):
        Settings.from_env({"LGSP_REQUESTS_PER_MINUTE_DOCUMENTS": "many"}).requests_per_minute("documents", 1)


def test_addresses_for_readers_are_checked() -> None:
    given = {"LGSP_BASE_URL": "https://data.example.gov.vn/lgsp/", "LGSP_CONTACT": "lgsp@example.gov.vn"}
    settings = Settings.from_env(given)
    assert (settings.base_url, settings.contact) == ("https://data.example.gov.vn/lgsp", "lgsp@example.gov.vn")
    assert Settings.from_env({}).base_url is None and Settings.from_env({"LGSP_LICENCE": " "}).licence is None
    for text in ("data.example.gov.vn", "https://", "https://data.example.gov.vn?x=1", "ftp://data.example.gov.vn"):
        with pytest.raises(SettingError, match=r"LGSP_BASE_URL must be a web address"):
            _ = Settings.from_env({"LGSP_BASE_URL": text}).base_url
    for text in ("0905 123 456", "Lan", "lan@", "javascript:alert(1)"):
        with pytest.raises(SettingError, match="LGSP_CONTACT must be"):
            _ = Settings.from_env({"LGSP_CONTACT": text}).contact
