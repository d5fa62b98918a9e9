"""What a message would come to and what has become of tasks: plain values for programs, lines for people.

``preview`` has a message and ``acknowledgment`` its answer, ``tasks`` and ``story`` what is in the journal,
``selecting`` which tasks are meant, ``payloads`` the messages in a text. ``masking`` and ``veiling`` keep
patients from those who may not see them.
"""
