"""A LiteRT model."""
