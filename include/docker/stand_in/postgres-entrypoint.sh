#!/bin/sh
# Starts PostgreSQL as the official image does: in an empty volume it creates a cluster with POSTGRES_USER,
# POSTGRES_PASSWORD and POSTGRES_DB, and runs the scripts in /docker-entrypoint-initdb.d.
set -eu
: "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}"
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ "$(id -u)" = 0 ]; then
    install -d -o postgres -g postgres -m 0700 "$PGDATA"
    chown postgres:postgres /var/lib/postgresql
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=$(mktemp)
    printf '%s' "$POSTGRES_PASSWORD" > "$password"
    # shellcheck disable=SC2086 (the arguments must be split into words)
    initdb --username="$user" --pwfile="$password" --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-}
    rm "$password"
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    pg_ctl start --wait --options="--listen_addresses=''"
    [ "$database" = postgres ] || createdb --username="$user" "$database"
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sh) "$script" ;;
            *.sql) psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$script" ;;
        esac
    done
    pg_ctl stop --wait --mode=fast
fi

# The server of the wheel is built without TLS: it ignores the lines of pg_hba.conf that need it.
for word; do
    shift
    case $word in --ssl*) ;; *) set -- "$@" "$word" ;; esac
done
exec "$@"
