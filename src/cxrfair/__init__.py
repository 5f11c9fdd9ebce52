"""Fairness of chest X-ray classifiers: from a hospital's files to an audit."""
