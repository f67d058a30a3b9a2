"""Record what builds say, and hold it to what their controllers say."""
