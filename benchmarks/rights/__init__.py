"""Mutation score of authorization parity: faults put into realistic policies, and which of them are found."""
