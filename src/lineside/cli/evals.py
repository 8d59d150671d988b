"""`lineside evals`: what was judged, and how it compares."""
