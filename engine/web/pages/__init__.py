"""The pages that a person looks at. Blocking reads of the journal run in threads; a page never reads more than
it shows."""

from engine.web.pages.site import routes

__all__ = ["routes"]
