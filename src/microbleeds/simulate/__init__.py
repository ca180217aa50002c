"""Simulated heads: anatomy, tissue, vessels, lesions, field, acquisition and cohorts."""
