"""MagicVideo: networks of images lifted to clips."""
