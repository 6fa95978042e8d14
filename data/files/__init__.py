"""Files of data sets: found, downloaded, checked, unpacked and written whole."""
