"""Language models trained on raw and refined text: trained, and compared on downstream tasks and clean text."""
