"""The sweepers of mnistexp, where Hydra looks for plugins.

Every program that uses Hydra imports this, so there is nothing here but the hinges.
"""
