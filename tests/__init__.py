"""The tests; helpers that several of them share stand beside this file."""
