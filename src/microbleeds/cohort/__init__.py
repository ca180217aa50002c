"""Many scans: tasks, a pool of Dask workers that carries them out, what became of each, and a table of all.

A failed scan is one row with its sentence and never stops the rest. What is finished is kept: a second run of the
same tasks takes up where the first one ended.
"""
