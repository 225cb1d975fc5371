"""Worksheets: graphs to fill in by pencil."""
