"""How many objects of a study a node has, by C-FIND, and what a destination lacks of it."""

from __future__ import annotations
