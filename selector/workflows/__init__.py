"""What happens in which order: observe, decide, carry out, report; through ports, never through adapters."""
