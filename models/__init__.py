"""Networks and learning rules built from the core."""
