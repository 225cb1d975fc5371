"""The two walks over a graph."""
