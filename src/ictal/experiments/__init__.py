"""Whole experiments, from data to report: ablate, train, evaluate, predict, explain."""
