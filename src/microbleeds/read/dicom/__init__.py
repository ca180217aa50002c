"""DICOM studies: which series are there, which to use, and their voxels.

Contents: :mod:`series` (what travels: a volume, a study), :mod:`study` (open a folder or zip), :mod:`survey` and
:mod:`headers` (read every header), :mod:`stacks`, :mod:`geometry`, :mod:`roles` (images become volumes),
:mod:`choice` and :mod:`wishes` (which to use), :mod:`voxels`, :mod:`pixels`, :mod:`phase_unit`,
:mod:`complex_image` (their values), :mod:`archive` (zips).
"""
