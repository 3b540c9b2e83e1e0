"""Floor 2, ways to round: arrays and second moments in, blocks of `formats` out."""
