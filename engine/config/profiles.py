"""The message profiles that routes name."""

from __future__ import annotations

from typing import Any

from engine.config.values import Config
from engine.errors import Complaint, ConfigError


def message_profiles(config: Config) -> dict[str, Any]:
    """The message profiles that routes name, by their file; ConfigError where one cannot be read."""
    from hl7apy import load_message_profile

    loaded = {}
    for path in {route.profile for route in config.routes if route.profile}:
        try:
            loaded[path] = load_message_profile(path)
        except Exception as error:
            expected = "a message profile that hl7apy has made (hl7apy_profile_parser)"
            raise ConfigError([Complaint(path, 1, 1, "profile", expected, type(error).__name__)]) from error
    return loaded
