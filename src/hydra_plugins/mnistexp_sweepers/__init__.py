"""The sweepers of mnistexp as Hydra plugins.

Every program with Hydra imports this package, so it imports no code of mnistexp at the top.
"""
