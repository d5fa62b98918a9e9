"""Who may see the operator's page, and act there."""
