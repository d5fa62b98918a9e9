"""The journal is looked through in one thread for all who look: it shares the interpreter with the intake,
and several at a time would make each message wait for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_READER = ThreadPoolExecutor(1, thread_name_prefix="page")


async def read(look: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What it returns, in its turn. For what takes milliseconds and waits for nobody."""
    return await asyncio.get_running_loop().run_in_executor(_READER, partial(look, *args, **kwargs))
