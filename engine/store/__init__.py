"""The journal of messages, retrieve tasks and replies: SQLAlchemy Core on SQLite, with group commit."""

from engine.store.messages import Journaled, NewMessage, Unanswered
from engine.store.occasions import Effect, Withdrawn
from engine.store.outbox import Letter, LetterStatus, NewLetter
from engine.store.reader import count_tasks, list_letters, list_tasks
from engine.store.store import Store
from engine.store.story import Event, Line
from engine.store.tasks import Sieve
from engine.store.verbs import Done, Verb, operate

__all__ = [
    "Done",
    "Effect",
    "Event",
    "Journaled",
    "Letter",
    "LetterStatus",
    "Line",
    "NewLetter",
    "NewMessage",
    "Sieve",
    "Store",
    "Unanswered",
    "Verb",
    "Withdrawn",
    "count_tasks",
    "list_letters",
    "list_tasks",
    "operate",
]
