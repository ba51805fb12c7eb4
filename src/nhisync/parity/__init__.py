"""Parity: equivalent, not equal. Pairing, the streaming engine and the rules; pure throughout."""
