"""What every stage shares: configuration, records, the prompt, the base model, and how a stage is run and resumed."""
