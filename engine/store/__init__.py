"""The journal of messages and retrieve tasks: SQLAlchemy Core on SQLite, with group commit."""

from engine.store.messages import Journaled, NewMessage, Unanswered
from engine.store.occasions import Withdrawn
from engine.store.reader import count_tasks, list_tasks
from engine.store.store import Store

__all__ = ["Journaled", "NewMessage", "Store", "Unanswered", "Withdrawn", "count_tasks", "list_tasks"]
