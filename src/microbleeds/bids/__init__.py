"""BIDS data sets: which images of a session are searched, valid derivatives, visits followed up, group tables.

The rules of names are those of BIDS 1.10 with BEP004 (``swi``, ``GRE``, ``minIP``); names as dcm2niix gives them
are read as well where subjects lie in ``sub-*`` folders.
"""
