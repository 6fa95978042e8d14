"""Elements, bonds by distance, valences, and conversions to RDKit's molecules and files."""
