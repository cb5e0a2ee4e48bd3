"""The plugin that Airflow loads in each of its components.

In API servers it answers as the person who clicked, and lets one answer count. In task processes `listener`
reports failures. `plugin` is what Airflow loads; it imports the rest only where it is needed.
"""
