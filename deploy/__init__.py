"""Files around the program: generated ones, images, clusters, monitoring, and their checks."""
