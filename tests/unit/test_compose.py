"""docker-compose.yml is valid, contains no secrets, and runs Airflow with the settings that the tests use."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from lgsp.local import airflow_environment, supervisor
from lgsp.schema import sources
from lgsp.settings import Settings, connection_variable
from lgsp_province import World, serving

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = {"init", "api-server", "scheduler", "dag-processor", "triggerer"}
REQUIRED = re.compile(r"\$\{(\w+):\?")
OPTIONAL = re.compile(r"\$\{(\w+):-")
# Settings that only a local stack needs, settings that only containers need, and settings with other values in containers.
LOCAL_ONLY = {"AIRFLOW__API__HOST", "AIRFLOW__API__PORT"}
CONTAINERS_ONLY = {"AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL"}
OTHER_VALUES = {
    "AIRFLOW__API__BASE_URL", "AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__PLUGINS_FOLDER",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",
    "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
}  # fmt: skip


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docker-compose.yml").read_text()


@pytest.fixture(scope="module")
def services(text: str) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


@pytest.fixture(scope="module")
def example() -> dict[str, str]:
    """The settings of .env.example, as Compose reads them."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return {
        name: value.strip("'") for name, _, value in (line.partition("=") for line in lines if re.match(r"\w+=", line))
    }


def test_airflow_runs_with_the_tested_settings(services: dict[str, Any], tmp_path: Path) -> None:
    variables = {"LGSP_HOME": str(tmp_path), "LGSP_AIRFLOW_DATABASE_URL": "postgresql://somewhere/airflow"}
    tested = airflow_environment.airflow(Settings.from_env(variables), 8080, {})
    names = {name for name in tested if name.startswith("AIRFLOW__")} | airflow_environment.TUNING.keys()
    environment = services["scheduler"]["environment"]
    assert {name for name in environment if name.startswith("AIRFLOW__")} - CONTAINERS_ONLY <= names
    assert names - LOCAL_ONLY <= environment.keys()
    same = names - LOCAL_ONLY - OTHER_VALUES
    assert {name: environment[name] for name in same} == {name: tested[name] for name in same}


def test_the_scheduler_starts_as_in_the_tests(services: dict[str, Any]) -> None:
    assert services["scheduler"]["command"] == ["python", *supervisor.PROGRAMS["scheduler"]]


def test_all_parts_of_airflow_share_one_environment(services: dict[str, Any]) -> None:
    for part in AIRFLOW - {"api-server"}:
        assert services[part]["environment"] == services["scheduler"]["environment"], part
    extra = services["api-server"]["environment"].items() - services["scheduler"]["environment"].items()
    assert dict(extra).keys() == {"AIRFLOW_UI_PASSWORDS"}


def test_every_source_has_its_connection(services: dict[str, Any], example: dict[str, str]) -> None:
    for source in sources.names():
        assert connection_variable(source) in services["scheduler"]["environment"]
        assert connection_variable(source) in example


def test_variables_are_documented_and_secrets_required(text: str, example: dict[str, str]) -> None:
    documented = (ROOT / ".env.example").read_text()
    required, optional = set(REQUIRED.findall(text)), set(OPTIONAL.findall(text))
    assert required == example.keys()
    assert optional == set(re.findall(r"^#(\w+)=", documented, re.MULTILINE))
    assert {name for name, value in example.items() if value} == {connection_variable(s) for s in sources.names()}


def test_a_missing_secret_is_named(text: str) -> None:
    for name, message in re.findall(r"\$\{(\w+):\?([^}]*)\}", text):
        assert message == f"set {name} in .env"


def test_the_example_connects_to_the_simulated_province(services: dict[str, Any], example: dict[str, str]) -> None:
    ports = next(word for word in services["province"]["command"] if word.startswith("--ports=")).partition("=")[2]
    day = date(2026, 7, 1)
    with serving(World.generate("tiny", 1, day, day)) as connections:
        for port, (source, connection) in zip(ports.split(","), connections.items(), strict=True):
            in_compose = {**connection, "host": "province", "port": int(port)}
            assert json.loads(example[connection_variable(source)]) == in_compose


def test_ports_are_published_on_loopback_by_default(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {
        "api-server": ["${LGSP_UI_ADDRESS:-127.0.0.1}:${LGSP_UI_PORT:-8080}:8080"],
        "postgres": ["${LGSP_POSTGRES_ADDRESS:-127.0.0.1}:${LGSP_POSTGRES_PORT:-5432}:5432"],
        "api": ["${LGSP_API_ADDRESS:-127.0.0.1}:${LGSP_API_PORT:-8090}:8090"],
    }


def test_postgres_starts_with_tls_and_the_rules_of_access(services: dict[str, Any]) -> None:
    postgres = services["postgres"]
    assert postgres["entrypoint"] == ["/postgres.sh"] and postgres["command"][0] == "postgres"
    assert "./include/docker/postgres.sh:/postgres.sh:ro" in postgres["volumes"]
    assert (ROOT / "include/docker/postgres.sh").stat().st_mode & 0o111


def test_every_service_has_a_health_check_and_restarts(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        if name != "init":
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"], name


def test_mounted_files_exist_and_started_scripts_are_executable(services: dict[str, Any], text: str) -> None:
    for path in re.findall(r"^ +- \./([^:]+):", text, re.MULTILINE):
        assert (ROOT / path).is_file(), path
    for path in re.findall(r"/opt/lgsp/(include/docker/\w\S+\.sh)\b", text):
        assert (ROOT / path).stat().st_mode & 0o111, path
    assert (ROOT / services["init"]["build"]["dockerfile"]).is_file()


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
def test_docker_compose_accepts_the_file(tmp_path: Path, services: dict[str, Any]) -> None:
    example = (ROOT / ".env.example").read_text()
    filled = tmp_path / ".env"
    filled.write_text(re.sub(r"^(\w+)=$", r"\1=something", example, flags=re.MULTILINE))
    command = ["docker-compose", "--env-file", str(filled), "--profile", "province", "config", "--services"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(process.stdout.split()) == services.keys()
