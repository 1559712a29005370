"""Which stretches of sound make the decoder say a given word most surely, and which words does a stretch push up?"""
