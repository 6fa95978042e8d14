"""Networks that read points of manifolds, one file a family."""
