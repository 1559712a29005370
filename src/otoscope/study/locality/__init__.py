"""How far does each head of the encoder listen?"""
