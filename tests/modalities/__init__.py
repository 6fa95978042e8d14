"""Four made-up modalities, as a user's own package would add them: classes and configurations."""
