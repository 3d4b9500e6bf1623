#!/bin/sh
# Create or upgrade everything the other containers stand on, then end; safe to repeat.
set -eu
airflow db migrate
lgsp pools > /tmp/pools.json
airflow pools import /tmp/pools.json
lgsp init
