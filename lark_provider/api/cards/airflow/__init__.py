"""Cards about Airflow's tasks and DAG runs. Nothing here imports Airflow."""
