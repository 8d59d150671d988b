"""Saves the pipeline of `words.py` as an MLflow model. Arguments: training file, target folder."""

import sys

import mlflow.sklearn
from words import pipeline_of

mlflow.sklearn.save_model(pipeline_of(sys.argv[1]), sys.argv[2], serialization_format="cloudpickle")
