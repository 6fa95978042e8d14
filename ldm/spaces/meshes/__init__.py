"""Triangle meshes and their spectral distances."""
