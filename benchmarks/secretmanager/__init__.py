"""Inventory of Google secrets with their versions: nhisync beside plain SDK loops, on one counting server."""
