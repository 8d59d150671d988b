"""Programs set up for another product: they change the host, and nothing else."""

import base64
import secrets
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.testclient import TestClient

from lineside.core import Settings
from lineside.server import build


class Product(NamedTuple):
    """How a product is sent to: its path, how it is shown a key, and what it wants beside it."""

    path: str
    shows: Callable[[str], dict[str, str]]
    key: str
    more: dict[str, str] = {}  # noqa: RUF012 # never changed


def basic(user: str) -> Callable[[str], dict[str, str]]:
    def shows(key: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()}

    return shows


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def header(name: str) -> Callable[[str], dict[str, str]]:
    return lambda key: {name: key}


PRODUCTS = {
    "OpenTelemetry": Product("/v1/traces", bearer, "token"),
    "Phoenix": Product("/v1/traces", bearer, "eyJhbGciOi.J9.x", {"x-project-name": "p"}),
    "Phoenix, older": Product("/v1/traces", header("api_key"), "0a1b:c2"),
    "Langfuse": Product(
        "/api/public/otel/v1/traces",
        basic("pk-lf-1234"),
        "sk-lf-1234",
        {
            "x-langfuse-ingestion-version": "4",
            "x-langfuse-sdk-name": "python",
            "x-langfuse-sdk-version": "4.0.0",
            "x-langfuse-public-key": "pk-lf-1234",
        },
    ),
    "MLflow": Product("/v1/traces", basic("ann"), "word", {"x-mlflow-experiment-id": "0"}),
    "Opik": Product(
        "/api/v1/private/otel/v1/traces",
        header("Authorization"),
        "k3y",
        {"Comet-Workspace": "default", "projectName": "p"},
    ),
    "Opik at Comet": Product("/opik/api/v1/private/otel/v1/traces", header("Authorization"), "k3y"),
    "Weave": Product("/otel/v1/traces", header("wandb-api-key"), "0" * 40),
    "Weave, older": Product("/otel/v1/traces", basic("api"), "0" * 40, {"project_id": "e/p"}),
    "Braintrust": Product("/otel/v1/traces", bearer, "sk-1", {"x-bt-parent": "project_name:p"}),
    "LangSmith": Product(
        "/otel/v1/traces", header("x-api-key"), "lsv2_pt_1", {"Langsmith-Project": "p"}
    ),
    "LangSmith, self-hosted": Product("/api/v1/otel/v1/traces", header("x-api-key"), "lsv2_pt_1"),
    "Confident AI": Product("/v1/traces", header("x-confident-api-key"), "confident_us_1"),
}


@pytest.fixture(scope="module")
def keyed_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server on which keys for senders were made."""
    settings = Settings(home=tmp_path_factory.mktemp("keyed") / "home", otlp_grpc_port=0)
    with TestClient(build(settings), base_url="http://127.0.0.1") as client:
        yield client


def send(client: TestClient, product: Product, key: str) -> tuple[int, list[str]]:
    """Send one step as the product's own packages do; the answer, and what is there then."""
    trace_id = secrets.token_bytes(16)
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = trace_id, b"spanspan", "step"
    headers = {"Content-Type": "application/x-protobuf"} | product.more | product.shows(key)
    answer = client.post(product.path, content=request.SerializeToString(), headers=headers)
    found = client.get(f"/api/traces/{trace_id.hex()}")
    return answer.status_code, [
        step["name"] for step in (found.json() if found.status_code == 200 else [])
    ]


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS.keys())
def test_a_program_set_up_for_another_product_changes_its_host_only(
    client: TestClient, product: Product
) -> None:
    # A key that may only read is none that a sender could bring.
    client.post("/api/keys", json={"name": "reader", "rights": ["read"]})

    assert send(client, product, product.key) == (200, ["step"])


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=PRODUCTS.keys())
def test_where_senders_have_keys_a_wrong_one_of_any_shape_is_refused(
    keyed_client: TestClient, product: Product
) -> None:
    made = keyed_client.post("/api/keys", json={"name": "app", "rights": ["ingest"]}).json()

    assert send(keyed_client, product, made["secret"]) == (200, ["step"])
    assert send(keyed_client, product, product.key) == (401, [])

    keyed_client.delete(f"/api/keys/{made['key']['id']}")
    assert send(keyed_client, product, made["secret"]) == (401, [])
    assert send(keyed_client, product, product.key) == (401, [])


def test_a_refused_key_of_another_product_is_told_what_to_put_in_its_place(
    keyed_client: TestClient,
) -> None:
    keyed_client.post("/api/keys", json={"name": "app", "rights": ["ingest"]})
    headers = {"x-api-key": "lsv2_pt_1"}

    refused = keyed_client.post("/v1/traces", json={"resourceSpans": []}, headers=headers)
    without = keyed_client.post("/v1/traces", json={"resourceSpans": []})

    assert (refused.status_code, without.status_code) == (401, 200)
    assert "none of lineside's: those begin with `lsk_`" in refused.json()["message"]
    assert "lineside keys create NAME --right ingest" in refused.json()["message"]
