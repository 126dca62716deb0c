"""Small models trained on refined text: what they cost, how they are trained and judged."""
