"""The Airflow side of the platform: assets, defaults, windows, connections and the tasks of the Dags."""
