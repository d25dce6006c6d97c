"""`./dev bench outofcore`: data many times the memory, under a limit, beside the peers."""
