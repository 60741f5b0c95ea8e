"""Which operators make the error, what they cost in milliseconds, and which to keep in float for a target.

sensitivity.py measures noise, prices.py time; mixture.py adds both up for a set of operators, mix.py looks for the
cheapest set that is good enough, and targets.py is the way in.
"""
