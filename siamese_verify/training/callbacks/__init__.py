"""Callbacks for `fit`, in addition to Keras's own such as `EarlyStopping`."""
