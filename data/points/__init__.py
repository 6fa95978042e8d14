"""Sets of points on manifolds, one file a set."""
