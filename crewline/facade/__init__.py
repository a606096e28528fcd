"""What `import crewline` offers, part by part. Nothing heavy is imported before it is needed."""
