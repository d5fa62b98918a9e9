"""Senders on real connections: they send, hear what comes, and go when the engine does."""

from __future__ import annotations

import asyncio

from engine.sender import Connection, SendError, connect
from tests.crash.hospital import Hospital
from tests.crash.ledger import ACKNOWLEDGED, Ledger
from tests.crash.orders import Conversation, Order
from tests.hospital import field

Address = tuple[str, int]


async def converse(address: Address, talk: Conversation, ledger: Ledger, site: Hospital) -> None:
    """Until every message has its answers, or the connection ends: what is left is for another life."""
    try:
        connection = await connect(*address, 5)
    except SendError:
        return
    batches = [talk.orders] if talk.pipelined else [(order,) for order in talk.orders]
    try:
        for batch in batches:
            ledger.sent.update(order.control_id for order in batch)
            await connection.write([order.payload for order in batch])
            await _hear_all(connection, batch, ledger, site)
            if not all(map(ledger.answered, batch)):
                return  # refused; what comes after it is for later too
    except (OSError, EOFError, ValueError):
        return
    finally:
        await connection.close()


async def _hear_all(
    connection: Connection, orders: tuple[Order, ...], ledger: Ledger, site: Hospital
) -> None:
    awaited = {order.control_id: set(order.answers) for order in orders}
    while any(awaited.values()):
        ack = await connection.acknowledgment()
        control_id, kind = ledger.hear(ack, site)
        if field(ack, "MSA-1") in ACKNOWLEDGED:
            awaited.get(control_id, set()).discard(kind)
        else:
            awaited.pop(control_id, None)  # refused: to be sent again in another life


async def converse_all(address: Address, talks: list[Conversation], ledger: Ledger, site: Hospital) -> None:
    """Each on a connection of its own, at the same time."""
    async with asyncio.TaskGroup() as senders:
        for talk in talks:
            senders.create_task(converse(address, talk, ledger, site))
