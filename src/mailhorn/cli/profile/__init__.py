"""`mailhorn profile`: what a running watcher or server does with the processor."""
