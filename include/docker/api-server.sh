#!/bin/sh
# Airflow's UI and API, after putting its users' passwords where Airflow reads them.
set -eu
umask 077
printf '%s' "$AIRFLOW_UI_PASSWORDS" > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
exec airflow api-server
