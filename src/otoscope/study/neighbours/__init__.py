"""Which tokens lie nearest in embedding space, and do they sound alike?"""
