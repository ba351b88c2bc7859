"""The words of the field: plain data that every other part speaks. Imports nothing of mailhorn."""
