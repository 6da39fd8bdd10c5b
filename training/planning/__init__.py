"""What a training will take: geometry, packing, memory and hours, calculated from the recipe before it starts."""
