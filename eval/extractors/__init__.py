"""Feature extractors that metrics are computed on."""
