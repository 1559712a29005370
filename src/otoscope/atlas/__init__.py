"""The atlas: pages and tables made from a finished study, static or served. Reads tables; knows no tensors."""
