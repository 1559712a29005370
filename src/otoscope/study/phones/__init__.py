"""Which phone does each feature detect, how well, and at every range of strength?"""
