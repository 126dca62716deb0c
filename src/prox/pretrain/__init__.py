"""Small language models on raw and refined text: training, evaluation, comparison, and what it costs."""
