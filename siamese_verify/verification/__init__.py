"""The verifier: from a trained model to decisions, with its gallery, file and model card."""
