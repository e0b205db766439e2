"""Learning rules on rates: error circuits, feedback, predictive coding; learners made of them.

May import, of its neighbours: network.
"""
