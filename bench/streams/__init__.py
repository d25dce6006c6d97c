"""`./dev bench stream`: streaming SQL beside what people write by hand, in micro-batches."""
