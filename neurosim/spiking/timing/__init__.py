"""Spike timing rules: windows, weight dependences, third factors, and the change of a whole window.

May import, of its neighbours: kernels.
"""
