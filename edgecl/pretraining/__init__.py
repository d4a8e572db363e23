"""Train a small vision backbone from a random start, on labels, on the features of a teacher, or on both."""
