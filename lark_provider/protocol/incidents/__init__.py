"""Events of Airflow's tasks and DAG runs, and the incident that groups a run's failures. Plain values."""
