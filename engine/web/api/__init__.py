"""The operator's page as JSON: for interface engines, scripts and monitors.

Each call is an `Operation`: from what it says of itself both the route and the OpenAPI document are made.
"""

from engine.web.api.paths import routes

__all__ = ["routes"]
