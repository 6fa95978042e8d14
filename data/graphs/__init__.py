"""Graphs: readers of their files, data sets, and their batches of nodes and edges."""
