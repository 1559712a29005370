"""Which frames does each frame of the encoder listen to?"""
