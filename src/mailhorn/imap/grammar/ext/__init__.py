"""One file per extension, named by its capability; "Changes:" on top says which rules it adds."""
