"""Dataset files: finding, downloading, checking, unpacking and atomic writing."""
