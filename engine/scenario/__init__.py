"""Scenarios: a message in, a simulated archive with its faults; retrieves and acknowledgment as expected."""
