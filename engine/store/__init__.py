"""The journal of messages, retrieve tasks and replies: SQLAlchemy Core on SQLite, with group commit."""

from engine.store.messages import Journaled, NewMessage, Unanswered
from engine.store.occasions import Effect, Withdrawn
from engine.store.outbox import Letter, LetterStatus, NewLetter
from engine.store.reader import count_messages, count_tasks, list_letters, list_tasks
from engine.store.store import Store

__all__ = [
    "Effect",
    "Journaled",
    "Letter",
    "LetterStatus",
    "NewLetter",
    "NewMessage",
    "Store",
    "Unanswered",
    "Withdrawn",
    "count_messages",
    "count_tasks",
    "list_letters",
    "list_tasks",
]
