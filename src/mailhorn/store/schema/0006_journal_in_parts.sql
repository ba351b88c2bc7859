-- The journal has more than two parts: a program that reads but two of them would lose mail, and refuses this number.
UPDATE server SET journal = journal;
