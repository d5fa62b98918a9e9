"""Budgets of an order and of a patient's day."""

from __future__ import annotations

import pytest

from engine.retrieve.budget import Budget, Spent, over


@pytest.mark.parametrize(
    ("budget", "spent", "asked"),
    [
        (Budget(), Spent(10**6, 10**9), Spent(1, 1)),
        (Budget(studies=2), Spent(1, 10**6), Spent(1, 500)),
        (Budget(instances=1000), Spent(50, 500), Spent(1, 500)),
    ],
)
def test_a_budget_is_not_exceeded_up_to_its_limit(budget: Budget, spent: Spent, asked: Spent) -> None:
    assert over(budget, spent, asked) is None


@pytest.mark.parametrize(
    ("budget", "spent", "asked", "reason"),
    [
        (Budget(studies=2), Spent(2, 0), Spent(1, 0), "it would make 3 studies, and the budget is 2"),
        (
            Budget(9, 1000),
            Spent(1, 501),
            Spent(1, 500),
            "it would make 1001 instances, and the budget is 1000",
        ),
    ],
)
def test_more_than_the_budget_is_told_with_its_numbers(
    budget: Budget, spent: Spent, asked: Spent, reason: str
) -> None:
    assert over(budget, spent, asked) == reason
