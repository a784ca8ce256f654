"""The papers' experiments: recipes, what stands in for data, what was measured beside what was published."""
