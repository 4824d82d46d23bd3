"""From stores and questions to a trained model: batches, the loop, run folders, costs."""
