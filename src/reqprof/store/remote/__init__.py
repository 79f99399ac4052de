"""Profiles of many machines, behind the URLs of fsspec. For commands alone."""
