"""Accounts of readers: a login of PostgreSQL for each person or program that reads the shared tables, with its limits and its scope.

The secret of an account is generated, shown once, and stored nowhere in clear: PostgreSQL keeps its SCRAM verifier, the ledger
its SHA-256. A login may change its own password and its own time-outs, which PostgreSQL cannot forbid: `listing` shows changed
time-outs, and `end_over_limits` ends sessions whatever their time-outs are.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from lgsp.errors import SettingError
from lgsp.settings import ReaderLimits, Settings
from lgsp.sql import one_row
from lgsp.store.connection import connect, url
from lgsp.store.row_scope import ROLE as SCOPED

log = logging.getLogger(__name__)

READER = "lgsp_reader"
INDICATORS, ALL = "indicators", "all"
CONNECTIONS = 5
NAME = re.compile(r"(?!lgsp|pg_)[a-z][a-z0-9_]{0,62}")
PLACEHOLDER = "NAME"

IDLE_TRANSACTION_SECONDS, IDLE_SESSION_SECONDS = 300, 3600
TEMPORARY_FILES = "2GB"  # of one query that sorts or joins more than fits into memory
SECRET_BYTES = 24
END_SECONDS = 5  # how long an ended session may take to go

LISTING = """
select r.*, l.rolname is not null as has_login, coalesce(l.rolcanlogin, false) as can_login, l.rolconnlimit,
    (select count(*) from pg_stat_activity where usename = r.name) as sessions,
    array(select setting from pg_db_role_setting s, unnest(s.setconfig) setting where s.setrole = l.oid
        and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))) as defaults
from ledger.reader r left join pg_roles l on l.rolname = r.name order by r.name
"""

# No snapshot that is published now is later than this time, not even where the clock was set back.
SCOPE_CHANGED = """
update ledger.reader set scope_changed_at =
    greatest(clock_timestamp(), (select max(published_at) + interval '1 microsecond' from ledger.publication))
where name = %s
"""


@dataclass(frozen=True)
class Account:
    """An account: its name, what it may see, how many connections it may open, and until when it is valid (exclusive).

    `agencies` restricts the fact tables to these agencies, those below them and their predecessors; with the scope
    `indicators` the fact tables are empty for it.
    """

    name: str
    scope: str = ALL
    agencies: tuple[str, ...] = ()
    connections: int = CONNECTIONS
    valid_until: datetime | None = None


@dataclass(frozen=True)
class Listed:
    """An account as it is: its sessions now, and what differs from what `add` or `rotate` set."""

    account: Account
    created_by: str
    created_at: datetime
    rotated_at: datetime | None
    sessions: int
    differences: tuple[str, ...]


def new_secret() -> str:
    """A random secret of 192 bits, of letters, digits, `-` and `_`."""
    return secrets.token_urlsafe(SECRET_BYTES)


def add(settings: Settings, account: Account, created_by: str, secret: str | None = None) -> str:
    """Create an account; returns its secret. Raises SettingError when the name is taken, or an agency is unknown."""
    if not NAME.fullmatch(account.name):
        raise SettingError(
            f"{account.name!r} cannot be the name of an account: use small letters, digits and _, beginning with a letter, but not with lgsp or pg_"
        )
    secret = secret or new_secret()
    with connect(settings) as connection:
        _refuse_agencies(connection, account)
        if connection.execute("select 1 from pg_roles where rolname = %s", [account.name]).fetchone():
            raise SettingError(f"there is a login {account.name} already: choose another name")
        _create_login(connection, account)
        connection.execute(
            "insert into ledger.reader (name, scope, agencies, connections, valid_until, token_sha256, created_by) values (%s, %s, %s, %s, %s, %s, %s)",
            [account.name, account.scope, list(account.agencies), account.connections, account.valid_until, _sha256(secret), created_by],
        )  # fmt: skip
        _set_login(connection, account, secret, settings.reader_limits)
    return secret


def rotate(settings: Settings, name: str, secret: str | None = None) -> str:
    """Give an account a new secret and its original limits, and end its sessions; returns the secret.

    The login is created again when the server lacks it, as after a restore. Raises SettingError when there is no account.
    """
    secret = secret or new_secret()
    with connect(settings) as connection:
        account = _account(connection, name)
        if not connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone():
            _create_login(connection, account)
        _set_login(connection, account, secret, settings.reader_limits)
        connection.execute(
            "update ledger.reader set token_sha256 = %s, rotated_at = now() where name = %s", [_sha256(secret), name]
        )
    _end_sessions(settings, name)
    return secret


def change(settings: Settings, name: str, scope: str, agencies: tuple[str, ...]) -> bool:
    """Let an account see other rows, and end its sessions; returns whether anything changed.

    Copies that it made over HTTP of earlier snapshots cannot be continued. Raises SettingError when there is no account or
    login, or an agency is unknown.
    """
    with connect(settings) as connection:
        before = _account(connection, name)
        account = replace(before, scope=scope, agencies=agencies)
        if (before.scope, set(before.agencies)) == (scope, set(agencies)):
            return False
        _refuse_agencies(connection, account)
        if not connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone():
            raise SettingError(f"the server has no login {name}: `lgsp reader rotate {name}` creates it")
        _set_roles(connection, account)
        connection.execute(
            "update ledger.reader set scope = %s, agencies = %s, scope_changed_at = clock_timestamp() + interval '1 hour' where name = %s",
            [scope, list(agencies), name],
        )
    _end_sessions(settings, name)
    # What an account could read before the change was published before the change was committed. So the time is taken after
    # the commit; until then, also if this process dies here, every snapshot of the next hour counts as one before the change.
    with connect(settings) as connection:
        connection.execute(SCOPE_CHANGED, [name])
    return True


def remove(settings: Settings, name: str) -> None:
    """End the sessions of an account and drop its login. Raises SettingError when there is no account."""
    login = sql.Identifier(name)
    with connect(settings) as connection:
        _account(connection, name)
        has_login = connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone()
        if has_login:  # no new session begins while the others end
            connection.execute(sql.SQL("alter role {} nologin").format(login))
    _end_sessions(settings, name)
    with connect(settings) as connection:
        if has_login:
            connection.execute(sql.SQL("drop role {}").format(login))
        connection.execute("delete from ledger.reader where name = %s", [name])


def listing(settings: Settings, connection: psycopg.Connection[Any]) -> list[Listed]:
    """All accounts, by name."""
    return [
        Listed(
            _of(row), row["created_by"], row["created_at"], row["rotated_at"], row["sessions"],
            tuple(_differences(row, settings.reader_limits)),
        )
        for row in connection.execute(LISTING).fetchall()
    ]  # fmt: skip


def end_over_limits(settings: Settings) -> int:
    """End the sessions of readers that exceed the limits of the settings, and log each; their number.

    An error is logged and stops nothing: no publication waits for a reader's session.
    """
    limits = settings.reader_limits
    try:
        with connect(settings) as connection:
            exists = one_row(connection.execute("select to_regproc('ledger.end_reader_sessions') as function"))
            if exists["function"] is None:  # the store is of an older version
                return 0
            rows = connection.execute(
                "select * from ledger.end_reader_sessions(%s, %s, %s)",
                [limits.statement_seconds, limits.transaction_seconds, limits.session_seconds],
            ).fetchall()
    except psycopg.Error as error:
        log.warning("the sessions of readers were not examined: %s", error)
        return 0
    for row in rows:
        log.warning("ended process %s of the reader %s: %s", row["pid"], row["usename"], row["why"])
    return len(rows)


def address(
    settings: Settings, user: str = PLACEHOLDER, password: str | None = None, driver: str = "postgresql"
) -> str:
    """The address of the store for a reader, for psql or with another driver's name for SQLAlchemy.

    Its host is LGSP_POSTGRES_NAME where that is set: the platform itself may reach the server by another name.
    """
    owner = make_url(url(settings))
    host, port = owner.host, owner.port
    query = {name: value for name, value in owner.query.items() if name.startswith("ssl")}
    if name := settings.environment.get("LGSP_POSTGRES_NAME"):
        host, port, query = name, int(settings.environment.get("LGSP_POSTGRES_PORT") or 5432), {"sslmode": "require"}
    reader = URL.create(driver, user, password, host, port, owner.database, query)
    return reader.render_as_string(hide_password=False)


def _account(connection: psycopg.Connection[Any], name: str) -> Account:
    row = connection.execute("select * from ledger.reader where name = %s", [name]).fetchone()
    if row is None:
        raise SettingError(f"there is no account {name}; `lgsp reader list` lists the accounts")
    return _of(row)


def _of(row: dict[str, Any]) -> Account:
    return Account(row["name"], row["scope"], tuple(row["agencies"]), row["connections"], row["valid_until"])


def _refuse_agencies(connection: psycopg.Connection[Any], account: Account) -> None:
    """Raise SettingError when the account names an agency that was never published, or has no facts to restrict."""
    if account.agencies and account.scope != ALL:
        raise SettingError("the scope indicators shows no facts: give --scope indicators or --agency, not both")
    known = connection.execute(
        "select distinct organisation_id as id from shared.organisation where organisation_id = any(%s)",
        [list(account.agencies)],
    ).fetchall()
    if unknown := sorted({*account.agencies} - {row["id"] for row in known}):
        raise SettingError(f"shared.organisation has no agency {', '.join(unknown)}")


def _create_login(connection: psycopg.Connection[Any], account: Account) -> None:
    login = sql.Identifier(account.name)
    connection.execute(sql.SQL("create role {} login").format(login))
    _set_roles(connection, account)
    connection.execute(sql.SQL("grant {} to lgsp_owner").format(login))  # so that the platform may end its sessions


def _set_roles(connection: psycopg.Connection[Any], account: Account) -> None:
    """Give a login the roles of what its account may see. Raises SettingError when the server cannot restrict it."""
    login = sql.Identifier(account.name)
    is_scoped = account.scope == INDICATORS or bool(account.agencies)
    may_restrict = connection.info.server_version >= 160000
    if is_scoped and not may_restrict:
        raise SettingError(
            "an account that does not see all rows needs PostgreSQL 16 or newer: before, its login could become lgsp_reader, which does"
        )
    option = sql.SQL("with inherit true, set false" if may_restrict else "")
    for role in (READER, SCOPED) if is_scoped else (READER,):
        connection.execute(sql.SQL("grant {} to {} {}").format(sql.Identifier(role), login, option))
    if not is_scoped:
        connection.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(SCOPED), login))


def _set_login(connection: psycopg.Connection[Any], account: Account, secret: str, limits: ReaderLimits) -> None:
    """Set the password, the limits and the defaults of a login. The statements have the verifier, not the password."""
    login, encoding = sql.Identifier(account.name), connection.info.encoding
    verifier = connection.pgconn.encrypt_password(secret.encode(), account.name.encode(), b"scram-sha-256")
    connection.execute(
        sql.SQL("alter role {} login password {} connection limit {} valid until {}").format(
            login, sql.Literal(verifier.decode(encoding)), sql.Literal(account.connections),
            sql.Literal(account.valid_until.isoformat() if account.valid_until else "infinity"),
        )
    )  # fmt: skip
    database = sql.Identifier(connection.info.dbname)
    connection.execute(sql.SQL("alter role {} reset all").format(login))
    connection.execute(sql.SQL("alter role {} in database {} reset all").format(login, database))
    for name, value in _defaults(limits).items():
        connection.execute(sql.SQL("alter role {} set {} = {}").format(login, sql.Identifier(name), sql.Literal(value)))
    may_limit_files = one_row(
        connection.execute("select has_parameter_privilege(current_user, 'temp_file_limit', 'set') as may")
    )
    if may_limit_files["may"]:
        connection.execute(
            sql.SQL("alter role {} set temp_file_limit = {}").format(login, sql.Literal(TEMPORARY_FILES))
        )


def _defaults(limits: ReaderLimits) -> dict[str, str]:
    """The defaults of a reader's sessions, as PostgreSQL stores them."""
    return {
        "statement_timeout": f"{limits.statement_seconds}s",
        "idle_in_transaction_session_timeout": f"{min(IDLE_TRANSACTION_SECONDS, limits.transaction_seconds)}s",
        "idle_session_timeout": f"{min(IDLE_SESSION_SECONDS, limits.session_seconds)}s",
        "default_transaction_read_only": "on",
        "search_path": "shared",
    }


def _differences(row: dict[str, Any], limits: ReaderLimits) -> list[str]:
    """What is not as `add` or `rotate` sets it."""
    if not row["has_login"]:
        return ["the server has no such login: `lgsp reader rotate` creates it"]
    found = [] if row["can_login"] else ["may not log in"]
    if row["rolconnlimit"] != row["connections"]:
        found.append(f"connection limit {row['rolconnlimit']}")
    set_now = [setting for setting in row["defaults"] if not setting.startswith("temp_file_limit=")]
    expected = [f"{name}={value}" for name, value in _defaults(limits).items()]
    found += [setting for setting in set_now if setting not in expected]
    names = {setting.partition("=")[0] for setting in set_now}
    return found + [f"no {name}" for name in _defaults(limits) if name not in names]


def _end_sessions(settings: Settings, name: str) -> None:
    with connect(settings) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, %s) from pg_stat_activity where usename = %s", [1000 * END_SECONDS, name]
        )


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
