"""Every model call: what a model is, and the providers behind it."""
