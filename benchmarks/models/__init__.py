"""Seventeen families of models, written by a learner, by hand and for peers; and a GPT by hand."""
