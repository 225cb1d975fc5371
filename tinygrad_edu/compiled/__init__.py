"""A module as a program over rows of data."""
