"""Airflow's human-in-the-loop questions, as they are recorded and answered. Pure."""
