"""Training images, stimuli and brains by name; the embedded demo.

May import, of its neighbours: none.
"""
