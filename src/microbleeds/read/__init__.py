"""Files become arrays and facts; what is wrong with them becomes one sentence.

Contents: :mod:`nifti` (images and their grids), :mod:`sidecar` (acquisition facts in JSON beside an image).
"""
