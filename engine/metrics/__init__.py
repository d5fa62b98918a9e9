"""What the engine has done lately, in numbers without patient data."""

from engine.metrics.metrics import Metrics
from engine.metrics.recent import Latency, Minute

__all__ = ["Latency", "Metrics", "Minute"]
