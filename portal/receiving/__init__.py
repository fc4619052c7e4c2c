"""Seeing what a family shares: share codes, an organisation's questions, looking, taking over; duties of
law.
"""
