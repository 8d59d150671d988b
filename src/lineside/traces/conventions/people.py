"""Names under which senders say whose a step is; every name that a reader knows stands here."""

USERS = (
    "user.id",
    "enduser.id",
    "lineside.user",
    "langfuse.user.id",
    "langsmith.metadata.user_id",
    "mlflow.trace.user",
    "ai.telemetry.metadata.userId",
    "traceloop.association.properties.user_id",
)
SESSIONS = (
    "session.id",
    "gen_ai.conversation.id",
    "lineside.session",
    "langfuse.session.id",
    "langsmith.trace.session_id",
    "langsmith.metadata.session_id",
    "langsmith.metadata.thread_id",
    "langsmith.metadata.conversation_id",
    "mlflow.trace.session",
    "ai.telemetry.metadata.sessionId",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
    "traceloop.association.properties.conversation_id",
    "traceloop.association.properties.chat_id",
    "lk.session_id",
    "lk.room_name",
    "gcp.vertex.agent.session_id",
)
