"""`/contact/v3`: people and departments, as an app may see them."""
