"""What the README promises, measured on this machine: `./dev bench`."""
