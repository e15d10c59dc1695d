"""Reusable controls of the app."""
