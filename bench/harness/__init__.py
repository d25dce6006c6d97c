"""Runs workloads on headrace and its peers, side by side, each run in a fresh process."""
