"""Language models as refiners: prompts and families, and the engines that run the models."""
