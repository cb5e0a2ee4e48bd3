"""Events of Airflow's tasks and DAG runs, and the incident that a run's failures are. Plain values."""
