"""Reports that a person opens in a browser: one file each, which needs nothing else, with plots in it.

What happened is recorded elsewhere; here it is only counted, drawn and laid out.
"""
