#!/bin/sh
# Starts PostgreSQL so that readers on other machines are let in with TLS only, and everybody else from the network of the containers only.
#
#   postgres.sh postgres [--option …]   the image's own entry point, with TLS and the rules below
#   postgres.sh renew                   in the running container: takes a renewed certificate; no session ends
#
# /tls has the certificate server.crt, with its chain, and its key server.key. When it is an empty volume, a self-signed pair is made there.
set -eu
folder=${POSTGRES_FOLDER:-/var/lib/postgresql} tls=${TLS_FOLDER:-/tls}
private=$folder/tls    # PostgreSQL reads a key only when nobody else may
rules=$folder/pg_hba.conf

install -d -o postgres -g postgres -m 0700 "$private"
if [ ! -e "$tls"/server.key ] && [ ! -e "$tls"/server.crt ]; then
    openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj "/CN=${LGSP_POSTGRES_NAME:-localhost}" \
        -addext "subjectAltName=DNS:${LGSP_POSTGRES_NAME:-localhost}" -keyout "$tls"/server.key.new -out "$tls"/server.crt
    mv "$tls"/server.key.new "$tls"/server.key
fi
install -o postgres -g postgres -m 0600 "$tls"/server.key "$private/server.key"
install -o postgres -g postgres -m 0644 "$tls"/server.crt "$private/server.crt"

# Docker's own port forwarding can give a connection from outside the address of the network's gateway, which is in the network.
gateway=$(awk '$2 == "00000000" && $3 != "00000000" { print $3; exit }' "${ROUTES:-/proc/net/route}")
internal=lgsp,airflow,+lgsp_writer,+lgsp_api
{
    echo "local all all trust"    # docker compose exec postgres psql
    if [ -n "$gateway" ]; then
        # the kernel writes the bytes of the address in hexadecimal, the last one first
        echo "host all $internal $(printf '%d.%d.%d.%d' "0x${gateway#??????}" "0x$(echo "$gateway" | cut -c5-6)" \
            "0x$(echo "$gateway" | cut -c3-4)" "0x$(echo "$gateway" | cut -c1-2)")/32 reject"
    fi
    cat <<RULES
host all $internal ::/0 reject
host all $internal samenet scram-sha-256
host all $internal,postgres,+lgsp_owner all reject
hostssl lgsp +lgsp_reader,+lgsp_operator all scram-sha-256
host all all all reject
RULES
} > "$rules.new"
mv "$rules.new" "$rules"

if [ "$1" = renew ]; then
    exec psql --no-psqlrc --quiet --username=postgres --command='select pg_reload_conf()'
fi
exec docker-entrypoint.sh "$@" --ssl=on --ssl_cert_file="$private/server.crt" --ssl_key_file="$private/server.key" \
    --ssl_min_protocol_version=TLSv1.2 --hba_file="$rules" --password_encryption=scram-sha-256
