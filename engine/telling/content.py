"""What is told as structured content: to assistants, and to whoever asks the API."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_validator


class Content(BaseModel):
    """Structured content. An error in it does not tell what was in it: it may be patient data."""

    model_config = ConfigDict(hide_input_in_errors=True)


class Answer(Content):
    """The whole of what a tool tells. A result with isError need not have it, which version 2.0 of the SDK
    does not know: it checks what is not there, and its complaint would replace the sentence."""

    @model_validator(mode="wrap")
    @classmethod
    def _or_nothing(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return cls.model_construct() if value is None else handler(value)
