"""Tests mirror `quantlab/`, room by room; helpers are imported by their full name, as in `tests.browser.lab`.
"""
