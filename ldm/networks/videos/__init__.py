"""Networks of videos, clips `(b, c, t, h, w)`."""
