"""Settings: errors name the missing variable, and no error or representation shows a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

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
