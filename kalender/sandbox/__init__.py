"""A university to rehearse on: FS, TP and Exchange on loopback, in their own wire forms.

It imports nothing else of the product: what it is asked must stand on its own.
"""
