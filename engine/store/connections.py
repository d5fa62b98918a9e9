"""The connections of this process to PostgreSQL, so that who waits for one need not wait for ever."""

from __future__ import annotations

import selectors
import socket
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Any
from weakref import WeakSet

import psycopg

_OPEN: dict[tuple[str, bool], WeakSet[psycopg.Connection[Any]]] = defaultdict(WeakSet)


def note(where: str, driver: psycopg.Connection[Any], *, pooled: bool) -> None:
    """This one was opened."""
    _OPEN[where, pooled].add(driver)


def hang_up(where: str, *, pooled: bool) -> None:
    """End those of the pools, or those of the engine: who waits for an answer gets an error, and the next one
    another connection."""
    for driver in list(_OPEN[where, pooled]):
        with suppress(OSError, psycopg.Error), closing(_socket(driver)) as same:
            same.shutdown(socket.SHUT_RDWR)


def readable(descriptors: Iterable[int], seconds: float) -> bool:
    """Wait until something can be read from one of these; whether it can. Of any number: an engine with a
    thousand connections has descriptors that `select` does not take."""
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(seconds))


def _socket(driver: psycopg.Connection[Any]) -> socket.socket:
    return socket.fromfd(driver.fileno(), socket.AF_INET, socket.SOCK_STREAM)
