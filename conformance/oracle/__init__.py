"""Where expected values come from: live Keras, what was recorded of it, the reference where neither can be asked."""
