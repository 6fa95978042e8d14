"""Files that sets are read from: found, downloaded, checked, unpacked, written whole."""
