"""What is generated or shipped around the program."""
