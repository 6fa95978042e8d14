"""Networks of graphs: the transformer over nodes, edges and whole graphs, and its uses in GLAD."""
