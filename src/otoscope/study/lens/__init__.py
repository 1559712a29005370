"""What would each decoder block, each head, or the decoder reading an early encoder block, say?"""
