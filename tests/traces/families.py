"""One call as each family of names tells it."""

import json
from typing import Any

ASKED = [("system", "Be brief"), ("user", "Where is my order?")]


def gen_ai_messages(**names: Any) -> dict[str, Any]:
    asked = [
        {"role": role, "parts": [{"type": "text", "content": content}]} for role, content in ASKED
    ]
    said = {"role": "assistant", "parts": [{"type": "text", "content": "On its way"}]}
    return {
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps([said | {"finish_reason": "stop"}]),
    } | names


OPENLLMETRY = {
    "gen_ai.system": "OpenAI",
    "llm.request.type": "chat",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.prompt.0.role": "system",
    "gen_ai.prompt.0.content": "Be brief",
    "gen_ai.prompt.1.role": "user",
    "gen_ai.prompt.1.content": '[{"type": "text", "text": "Where is my order?"}]',
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "On its way",
    "gen_ai.completion.0.finish_reason": "stop",
    "gen_ai.usage.prompt_tokens": 20,
    "gen_ai.usage.completion_tokens": 4,
    "llm.usage.total_tokens": 24,
}
EVENTS = [
    {"name": "gen_ai.system.message", "time_ns": 1, "attributes": {"content": "Be brief"}},
    {
        "name": "gen_ai.user.message",
        "time_ns": 2,
        "attributes": {"body": {"content": "Where is my order?"}},
    },
    {
        "name": "gen_ai.choice",
        "time_ns": 3,
        "attributes": {
            "index": 0,
            "finish_reason": "stop",
            "message": '{"role": "assistant", "content": "On its way"}',
        },
    },
]
OLDER = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 4,
}
CURRENT = OLDER | {"gen_ai.provider.name": "openai"} | gen_ai_messages()
OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.system": "openai",
    "llm.model_name": "gpt-4o-2024-08-06",
    "llm.request.model_name": "gpt-4o",
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "Where is my order?",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "On its way",
    "llm.output_messages.0.message.finish_reason": "stop",
    "llm.token_count.prompt": 20,
    "llm.token_count.completion": 4,
}
LANGFUSE = {
    "langfuse.observation.type": "generation",
    "langfuse.observation.model.name": "gpt-4o-2024-08-06",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.system": "openai",
    "langfuse.observation.input": json.dumps([{"role": r, "content": c} for r, c in ASKED]),
    "langfuse.observation.output": json.dumps(
        {"role": "assistant", "content": "On its way", "finish_reason": "stop"}
    ),
    "langfuse.observation.usage_details": '{"input": 20, "output": 4, "total": 24}',
}
VERCEL = {
    "ai.operationId": "ai.generateText.doGenerate",
    "ai.model.provider": "openai.responses",
    "ai.model.id": "gpt-4o",
    "ai.response.model": "gpt-4o-2024-08-06",
    "ai.prompt.messages": json.dumps([{"role": r, "content": c} for r, c in ASKED]),
    "ai.response.text": "On its way",
    "ai.response.finishReason": "stop",
    "ai.usage.promptTokens": 20,
    "ai.usage.completionTokens": 4,
}
