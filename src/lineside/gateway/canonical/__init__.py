"""The one form of every model call: what is asked, what is answered, and how an answer streams.

Guards, budgets, cache, routing and tracing act on this form and on nothing else.
"""
