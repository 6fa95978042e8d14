"""Networks on sequences of tokens."""
