"""Where expected values come from: live Keras."""
