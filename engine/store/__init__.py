"""The journal of messages, retrieve tasks and replies: SQLAlchemy Core on SQLite or PostgreSQL, with group
commit."""

from engine.store.admission import Applicant, TurnedAway
from engine.store.gates import Used
from engine.store.heard import Heard
from engine.store.lock import is_running, is_taken
from engine.store.messages import Journaled, NewMessage, Unanswered, fingerprint
from engine.store.news import EVERYTHING, News
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
from engine.store.traffic import Node, Situation
from engine.store.verbs import Done, forecast, operate

__all__ = [
    "EVERYTHING",
    "Applicant",
    "Asked",
    "Closure",
    "Done",
    "Effect",
    "Event",
    "Heard",
    "Journaled",
    "Letter",
    "LetterStatus",
    "Line",
    "NewLetter",
    "NewMessage",
    "News",
    "Node",
    "Pruned",
    "Queue",
    "Selection",
    "Sieve",
    "Situation",
    "Standing",
    "Stock",
    "Store",
    "Story",
    "TurnedAway",
    "Unanswered",
    "Used",
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
