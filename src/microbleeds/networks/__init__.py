"""Torch modules; nothing here reads a file."""
