"""Recipe of the default model: data, training, export and evaluation."""
