"""The recipe that makes the default model: data, training, export and evaluation."""
