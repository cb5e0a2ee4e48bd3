"""Bitable tables as Airflow assets, `lark://bitable/<app_token>/<table_id>`."""
