"""What each command does: one file per group. A function takes the conversation and the command, returns the reply."""
