"""A model of the OpenAI kind that names a topic, as the tests of its provider set it up."""

from collections.abc import Callable
from typing import Any

from lineside.gateway import Model, ModelReply, ModelSetup
from lineside.gateway.retry import Pace

KEY = "sk-test-0123456789abcdefghij"
INPUT = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
OUTPUT = {
    "type": "object",
    "properties": {"topic": {"enum": ["refund", "card"]}, "confidence": {"type": "number"}},
    "required": ["topic", "confidence"],
}
GOOD = {"topic": "refund", "confidence": 0.7}
QUICK = Pace(first_s=0.01, longest_s=0.02, retry_after_max_s=2.0)

Opened = Callable[..., Model]


def setup_of(folder: Any, **changes: Any) -> ModelSetup:
    base: dict[str, Any] = {
        "spec": "openai:small",
        "input_schema": INPUT,
        "output_schema": OUTPUT,
        "read_file": folder({}),
        "prompt": "Name the topic.",
    }
    return ModelSetup(**{**base, **changes})


async def ask(model: Model, message: str = "Where is my money?") -> ModelReply:
    try:
        return await model.answer({"message": message})
    finally:
        await model.close()
