"""What is transcribed when a stretch of the encoder's output is replaced by the padded input's?"""
