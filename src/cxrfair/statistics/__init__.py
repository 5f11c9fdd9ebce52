"""Intervals, resampling, and metrics over many resamples at once."""
