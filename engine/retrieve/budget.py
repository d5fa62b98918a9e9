"""Budgets: how much one order, or one patient in a day, may move."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many; None is without limit."""

    studies: int | None = None
    instances: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What was moved or is under way. Instances that nobody counted are 0."""

    studies: int = 0
    instances: int = 0


def over(budget: Budget, spent: Spent, asked: Spent) -> str | None:
    """Why the budget does not allow what is asked beside what is spent; None: it does."""
    counts = (
        ("studies", budget.studies, spent.studies + asked.studies),
        ("instances", budget.instances, spent.instances + asked.instances),
    )
    exceeded = (
        f"it would make {total} {name}, and the budget is {limit}"
        for name, limit, total in counts
        if limit is not None and total > limit
    )
    return next(exceeded, None)
