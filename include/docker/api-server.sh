#!/bin/sh
# Writes the passwords of the UI's users to the file that Airflow reads, then starts Airflow's UI and API.
set -eu
umask 077
printf '%s' "$AIRFLOW_UI_PASSWORDS" > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
exec airflow api-server
