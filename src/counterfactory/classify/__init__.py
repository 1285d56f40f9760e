"""Classifiers: training them on any data set, and asking them for probabilities. Knows neither runs nor metrics."""
