"""`mailhorn watch` and what a person does with it."""
