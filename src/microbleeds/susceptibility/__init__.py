"""What phase tells about susceptibility: its scale and sign, the high-pass and the SWI.

Pure functions on arrays and voxel sizes; no file is read here. Contents: :mod:`foreground` (rough head),
:mod:`scale`, :mod:`highpass`, :mod:`sign`, :mod:`swi`.
"""
