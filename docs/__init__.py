"""The site: documentation, and the course in the browser. ``python -m docs`` builds it."""
