"""A BentoML service around the pipeline of `words.py`."""

import os

import bentoml
from words import pipeline_of


@bentoml.service(workers=1)
class Triage:
    def __init__(self) -> None:
        self.pipeline = pipeline_of(os.environ["LINESIDE_PEER_EXAMPLES"])

    @bentoml.api
    def classify(self, message: str) -> dict[str, object]:
        shares = self.pipeline.predict_proba([message])[0]
        best = int(shares.argmax())
        return {"topic": str(self.pipeline.classes_[best]), "confidence": float(shares[best])}
