"""The commands of `loadtest` that are more than a call: their options, and what each puts together."""
