"""What is asked of pipelines as wholes: register them, watch them, speed them up, trace what they made."""
