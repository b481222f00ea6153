"""Drills: what an operator should have seen once before it happens, played on a made-up university."""
