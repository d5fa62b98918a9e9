"""The journal of messages, retrieve tasks and replies: SQLAlchemy Core on SQLite, with group commit."""

from engine.store.lock import is_running, is_taken
from engine.store.messages import Journaled, NewMessage, Unanswered, fingerprint
from engine.store.occasions import Effect, Withdrawn
from engine.store.outbox import Letter, LetterStatus, NewLetter
from engine.store.patients import patients_named, patients_of
from engine.store.queue import Sieve
from engine.store.reader import (
    Asked,
    Story,
    count_messages,
    count_tasks,
    list_letters,
    list_tasks,
    numbers_of,
    story_of,
    tasks_numbered,
)
from engine.store.retention import Pruned, Stock, stock
from engine.store.selection import Selection
from engine.store.standing import Closure, Queue, Standing, count_causes, queues, standing
from engine.store.store import Store
from engine.store.story import Event, Line
from engine.store.verbs import Done, forecast, operate

__all__ = [
    "Asked",
    "Closure",
    "Done",
    "Effect",
    "Event",
    "Journaled",
    "Letter",
    "LetterStatus",
    "Line",
    "NewLetter",
    "NewMessage",
    "Pruned",
    "Queue",
    "Selection",
    "Sieve",
    "Standing",
    "Stock",
    "Store",
    "Story",
    "Unanswered",
    "Withdrawn",
    "count_causes",
    "count_messages",
    "count_tasks",
    "fingerprint",
    "forecast",
    "is_running",
    "is_taken",
    "list_letters",
    "list_tasks",
    "numbers_of",
    "operate",
    "patients_named",
    "patients_of",
    "queues",
    "standing",
    "stock",
    "story_of",
    "tasks_numbered",
]
