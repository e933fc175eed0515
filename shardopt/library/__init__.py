"""The instance library: instances with the best plans and bounds that anybody has found."""
