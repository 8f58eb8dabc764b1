"""A herdd without processes, files and time, for histories in any order: model.daemon."""
