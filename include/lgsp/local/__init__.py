"""Runs the whole stack on one machine: Airflow's processes, the simulated province, backfills and the demo."""
