"""Schema 1: messages, tasks, which message waits for which task, orders and visits, merges.

No step leads to it. What development had under the same number before it had all of these is not upgraded.
"""

revision = "1"
down_revision = None
