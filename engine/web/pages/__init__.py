"""The pages that a person looks at. Blocking reads run in threads; no page reads more than it shows."""

from engine.web.pages.site import routes

__all__ = ["routes"]
