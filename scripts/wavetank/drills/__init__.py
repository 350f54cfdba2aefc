"""Storms on purpose: the storms, their runner and traffic, verdicts and reports, comparisons and campaigns.

Here is what does damage, measures it and judges it. What mends a topology for a person, or asks how it is, is not here.
"""
