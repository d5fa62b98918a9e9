"""An HL7 v2 over MLLP conformance suite: cases are tables in ``cases/``, one runner plays them to a receiver.

``notation``, ``case``, ``answer`` and ``runner`` import nothing of the engine: they test any receiver, by
``python -m tests.conformance HOST PORT``. See docs/conformance.md.
"""
