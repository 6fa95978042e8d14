"""What a prior is told about a sample: labels and their null."""
