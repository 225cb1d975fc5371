"""Training runs described by settings, and their reports."""
