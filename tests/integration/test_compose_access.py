"""Who may log in to the PostgreSQL of docker-compose.yml: a real server with the options that its start script passes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from lgsp import install
from lgsp.settings import Settings
from lgsp.store import embedded_postgres, readers
from lgsp.store.ports import free_port
from lgsp.store.readers import Account
from tests.conftest import ROOT

# The script runs as root in its container: here it changes no owner, and only shows the options of the server.
INSTALL = """#!/bin/sh
set -eu
for word; do shift; case $word in -o | -g | postgres) ;; *) set -- "$@" "$word" ;; esac; done
exec /usr/bin/install "$@"
"""
ENTRY = "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"
ROUTE = "Iface Destination Gateway Flags\neth0 00000000 {} 0003\n"
NOWHERE, LOOPBACK = "010012AC", "0100007F"  # 172.18.0.1 and 127.0.0.1, as the kernel writes them


@dataclass(frozen=True)
class Access:
    """A server with the rules, a reader's address and the owner's, and a function that sets the network's gateway."""

    reader: str
    owner: str
    set_gateway: Callable[[str], None]
    options: dict[str, str]


@pytest.fixture(scope="module")
def access() -> Iterator[Access]:
    """A server that was started with what the start script prepares and passes on."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found:
        pytest.skip("NOT PROVEN, who may log in with docker-compose: needs a PostgreSQL with TLS (Debian's postgresql)")
    home = Path(tempfile.mkdtemp(prefix="lgsp-access-"))
    programs, tls = home / "bin", home / "tls"
    programs.mkdir()
    tls.mkdir()
    for name, text in (("install", INSTALL), ("docker-entrypoint.sh", ENTRY)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}", "POSTGRES_FOLDER": str(home / "postgres"), "TLS_FOLDER": str(tls), "ROUTES": str(home / "route"),
    }  # fmt: skip

    def prepare(gateway: str) -> list[str]:
        (home / "route").write_text(ROUTE.format(gateway), encoding="utf-8")
        script = [str(ROOT / "include/docker/postgres.sh"), "postgres"]
        return subprocess.run(script, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()

    options = prepare(NOWHERE)[1:]
    prefix, user = embedded_postgres._ordinary_user()
    if user is not None:
        subprocess.run(["chown", "-R", str(user), str(home)], check=True)

    def execute(program: str, *arguments: str) -> None:
        with (home / "output").open("w", encoding="utf-8") as output:  # no pipe: the server would keep it open
            command = [*prefix, str(found[-1] / program), "--pgdata", str(home / "data"), *arguments]
            subprocess.run(command, user=user, stdout=output, stderr=output, check=True)

    (home / "password").write_text("only-for-tests", encoding="utf-8")
    (home / "password").chmod(0o644)
    execute(
        "initdb",
        "--username=lgsp",
        f"--pwfile={home}/password",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
    )
    port = free_port()
    address = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p {port} {' '.join(options)}"
    execute("pg_ctl", "start", "-w", "-o", address, "-l", str(home / "log"))
    try:
        server = f"postgresql://lgsp:only-for-tests@127.0.0.1:{port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as control:
            control.execute("create database lgsp")
            settings = Settings.from_env(
                {"LGSP_HOME": str(home), "LGSP_DATABASE_URL": f"{server}/lgsp", "LGSP_TOKEN_KEY": "only-for-tests"}
            )
            install.init(settings)
            secret = readers.add(settings, Account("dashboard"), "Lan")

            def set_gateway(gateway: str) -> None:
                prepare(gateway)
                control.execute("select pg_reload_conf()")
                time.sleep(0.3)  # the server reads its files after it answered

            named = dict(option[2:].split("=", 1) for option in options)
            yield Access(readers.address(settings, "dashboard", secret), f"{server}/lgsp", set_gateway, named)
    finally:
        execute("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(home)


def test_a_reader_is_let_in_with_tls_only(access: Access) -> None:
    certificate = f"sslmode=verify-ca&sslrootcert={access.options['ssl_cert_file']}"
    with psycopg.connect(f"{access.reader}?{certificate}") as session:
        encrypted = session.execute("select ssl, version from pg_stat_ssl where pid = pg_backend_pid()").fetchone()
        assert encrypted == (True, "TLSv1.3")
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
        psycopg.connect(f"{access.reader}?sslmode=disable")


def test_a_reader_enters_the_shared_database_only(access: Access) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
        psycopg.connect(f"{access.reader.rsplit('/', 1)[0]}/postgres?sslmode=require")


def test_the_owner_is_refused_from_outside(access: Access) -> None:
    """Docker's port forwarding may show a connection from outside with the address of the network's gateway."""
    psycopg.connect(access.owner).close()
    access.set_gateway(LOOPBACK)
    try:
        for mode in ("disable", "require"):
            with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
                psycopg.connect(f"{access.owner}?sslmode={mode}")
        psycopg.connect(f"{access.reader}?sslmode=require").close()
    finally:
        access.set_gateway(NOWHERE)


def test_the_key_is_private_and_made_once(access: Access) -> None:
    key = Path(access.options["ssl_key_file"])
    before = key.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    access.set_gateway(NOWHERE)
    assert key.read_bytes() == before
