"""Word TF-IDF with logistic regression, as the manual of scikit-learn has it: fit, then judge.

Reads one JSON document from a file: `{"train": [[text, label], …], "test": [[text, label], …]}`.
"""

import json
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    started = time.perf_counter()
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    examples = json.loads(Path(sys.argv[1]).read_text())
    texts, labels = zip(*examples["train"], strict=True)
    import_seconds = time.perf_counter() - started
    started = time.perf_counter()
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=1000))
    pipeline.fit(texts, labels)
    fit_seconds = time.perf_counter() - started
    started = time.perf_counter()
    texts, labels = zip(*examples["test"], strict=True)
    # One by one, as a served model and a runner ask; a batch is quicker.
    right = sum(pipeline.predict([text])[0] == label for text, label in examples["test"])
    judge_seconds = time.perf_counter() - started
    print(
        json.dumps(
            {
                "accuracy": right / len(labels),
                "import_seconds": import_seconds,
                "fit_seconds": fit_seconds,
                "judge_seconds": judge_seconds,
                "batch_accuracy": float(pipeline.score(texts, labels)),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
