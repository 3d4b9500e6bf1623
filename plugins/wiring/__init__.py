"""How the platform speaks Airflow: assets, defaults, windows, connections, and the tasks of the Dags."""
