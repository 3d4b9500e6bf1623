#!/bin/sh
# Creates or upgrades both databases and Airflow's pools, which the other containers need, then ends. Safe to repeat.
set -eu
airflow db migrate
lgsp pools > /tmp/pools.json
airflow pools import /tmp/pools.json
lgsp init
