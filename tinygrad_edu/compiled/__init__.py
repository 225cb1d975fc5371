"""A module as a program over rows of data.

To be read in this order: ``symbolic`` runs model and loss on symbols that stand for every sample,
``program`` compiles that graph and runs it on rows, ``agreement`` checks that the program gives the
same losses as the graph, ``predict`` uses it for predictions. Training, diagnosis and the course's
GPT use it, too.
"""
