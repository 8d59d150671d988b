"""From a request in the canonical form to an answer: providers, routes, and steps around them."""
