"""Use cases: each puts the pieces together for one thing a person asks for (composition root)."""
