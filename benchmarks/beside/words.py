"""The model that the serving peers serve: word TF-IDF with logistic regression."""

import json
from pathlib import Path
from typing import Any


def pipeline_of(examples: str) -> Any:
    """Fit the pipeline on a use case's training file."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    lines = [json.loads(line) for line in Path(examples).read_text().splitlines()]
    texts = [line["input"]["message"] for line in lines]
    labels = [line["expected"]["topic"] for line in lines]
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000))
    return pipeline.fit(texts, labels)
