"""Files that other products export, read into spans: one file per format, each a generator.

A reader yields a `RawSpan` for every step it finds and a `Refusal` for everything it cannot take,
and holds no more of the file in memory than one entry of it.
"""
