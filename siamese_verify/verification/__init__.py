"""The verifier: from a trained model to decisions, its gallery, its file and its model card."""
