"""A DICOM node: receives studies, has them searched, sends the results to an archive.

Contents: :mod:`config` (what the user sets), :mod:`queue` (what is where, in SQLite), :mod:`spool` (files and
limits), :mod:`receive` (C-ECHO, C-STORE), :mod:`send` (C-STORE, C-FIND), :mod:`work` (from received to sent),
:mod:`discretion` (nothing of a patient in logs), :mod:`tls`, :mod:`serve` (all together).

Start one with ``from microbleeds.node.serve import Node``.
"""
