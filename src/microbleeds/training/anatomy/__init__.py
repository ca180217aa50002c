"""Training of the anatomy network on images of any contrast drawn from label maps."""
