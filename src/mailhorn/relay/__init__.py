"""Mail that leaves: what rules redirect, answer and refuse, kept safe until a smarthost has taken it."""
