"""`mailhorn sieve` and what a person does with rules before they are in force."""
