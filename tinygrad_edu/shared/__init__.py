"""What several rooms need: checked arguments, files that are written whole, tables."""
