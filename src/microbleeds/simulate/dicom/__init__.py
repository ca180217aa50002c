"""Simulated scans as DICOM studies, in the conventions of Siemens, GE and Philips.

Contents: :mod:`images` (a subject of a data set), :mod:`conventions` (what each vendor stores and how),
:mod:`header` (patient, study, series), :mod:`classic` and :mod:`enhanced` (files), :mod:`study` (the whole).
"""
