"""Airflow's questions and failures on Lark cards, by its REST API; imports no Airflow."""
