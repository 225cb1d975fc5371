"""Seventeen families of models, each written three times: by a learner, by hand, for peers."""
