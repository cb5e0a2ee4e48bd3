"""The plugin of Airflow's API servers: it answers as the person who clicked, and lets one answer count."""
