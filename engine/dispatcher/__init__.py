"""Carry out tasks: claim, gate, resolve or move, verify, finish or try again. One lane an archive: none waits
for another.

``dispatcher`` owns every task from SCHEDULED to its end, ``lane`` chooses what may start at one archive,
``work`` does it, ``ending`` keeps what came of it, ``meters`` knows what goes on at each node, ``breakers``
leaves failing ones alone, ``waiters`` tells those who wait for an outcome, ``company`` hears of other engines
on the same journal.
"""

from engine.dispatcher.dispatcher import Dispatcher

__all__ = ["Dispatcher"]
