"""`review.html`, a page to read a scan in, and what becomes of a reader's verdicts: the signed result."""
