"""The command line: arguments in, what is printed, and the exit code out.

It decides nothing: what a command does is in another package, which is imported when the command is run. No other
package imports this one.
"""
