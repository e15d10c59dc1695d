"""Sections of pages, one subject per module."""
