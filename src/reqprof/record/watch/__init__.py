"""Requests that nobody traces, seen from outside while they run long."""
