"""Alerts: somebody is told, by webhook or mail, that images do not move, and when they move again.

``conditions``, ``deadletters`` and ``silence`` say what is wrong; ``ledger`` says what is told of it and when
(all of them pure); ``courier`` sees to it that a notice gets through, by ``webhook`` or ``mail``.
"""

from __future__ import annotations

from engine.alerts.alerts import Alerts

__all__ = ["Alerts"]
