"""Crash proof: a real ``forefetch serve`` is killed again and again, and nothing that it said was untrue."""
