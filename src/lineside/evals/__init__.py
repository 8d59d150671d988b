"""Is it good enough: datasets, scorers, runs, comparisons and gates."""
