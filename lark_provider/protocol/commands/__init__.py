"""Chat commands: which messages are commands, how they are read, and how they reach Airflow's plugin."""
