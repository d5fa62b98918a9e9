"""The operator's page and its API."""
