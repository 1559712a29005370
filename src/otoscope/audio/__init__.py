"""From a recording to what Whisper hears: decode, resample, cut into windows, log-mel, kinds of frame.

Knows nothing of models; only `mel` and `mel_inversion` use torch.
"""
