"""Where everything in a figure stands."""
