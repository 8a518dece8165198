"""How istiods read other clusters: by which tokens, which of them, and since when."""
