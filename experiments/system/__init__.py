"""Of processes, not of science: locks, threads, starting processes, reasons why work stopped.

May import, of its neighbours: none.
"""
