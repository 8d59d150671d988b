"""Makes `mlflow.csv`: `python tests/traces/exported/mlflow_export.py` where MLflow 3.17.2 is."""

import os
import tempfile
from pathlib import Path

import mlflow
from mlflow.entities import AssessmentSource, SpanType

HERE = Path(__file__).parent


@mlflow.trace(span_type=SpanType.CHAT_MODEL)
def chat(messages: list[dict[str, str]]) -> dict[str, str]:
    span = mlflow.get_current_active_span()
    usage = {"input_tokens": 40, "output_tokens": 8, "cache_read_input_tokens": 10}
    span.set_attribute("mlflow.chat.tokenUsage", usage)
    span.set_attribute("mlflow.llm.model", "gpt-4o-mini")
    return {"role": "assistant", "content": "It arrives tomorrow"}


@mlflow.trace(span_type=SpanType.AGENT)
def agent(question: str) -> dict[str, str]:
    metadata = {"mlflow.trace.user": "ada", "mlflow.trace.session": "chat-7"}
    mlflow.update_current_trace(tags={"team": "parcels"}, metadata=metadata)
    return chat([{"role": "user", "content": question}])


def main() -> None:
    place = tempfile.mkdtemp()
    os.chdir(place)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("helpdesk")
    agent("Where is my parcel?")
    mlflow.flush_trace_async_logging()
    [trace_id] = [one.info.trace_id for one in mlflow.search_traces(return_type="list")]
    code = AssessmentSource(source_type="CODE", source_id="checks.py")
    mlflow.log_feedback(trace_id=trace_id, name="kind", value=True, source=code)
    said = {"exact": 1.0, "short": 0.5}
    mlflow.log_feedback(
        trace_id=trace_id, name="checks", value=said, source=code, metadata={"version": "3"}
    )
    # Feedback of several types is more than one column of Parquet can hold: only this one.
    table = mlflow.search_traces()[["trace"]].to_csv()
    (HERE / "mlflow.csv").write_text(table.replace(place, "."))


main()
