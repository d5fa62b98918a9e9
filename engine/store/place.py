"""Where a journal is, by the name under which those who keep it know it."""

from engine.place import folder, is_shared, told

__all__ = ["folder", "is_shared", "told"]
