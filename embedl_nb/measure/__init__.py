"""From a model and a device to a Benchmark: the plan, the statistics, the layers, the environment."""
