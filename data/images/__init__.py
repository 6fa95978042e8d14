"""Sets of images, one file a set."""
