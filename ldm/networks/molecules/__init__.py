"""Networks on molecules: points in space with features, and a mask."""
