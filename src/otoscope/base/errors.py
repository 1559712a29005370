"""Every error that otoscope raises on purpose.

OtoscopeError
├── InputError            the user's input cannot be used; the user can fix it
│   ├── AudioError        a recording
│   ├── LabelError        an alignment: words and phones in time
│   ├── ModelError        a checkpoint
│   └── SiteError         a site, block or head
├── OutputError           a result that cannot be written
└── TrainingDivergedError a dictionary whose loss diverged

A message has three parts: what was given (name and value), what is allowed, and what to do. What does not stop the
work is an `OtoscopeWarning`.
"""


class OtoscopeError(Exception):
    """Everything that otoscope raises on purpose."""


class InputError(OtoscopeError):
    """The input cannot be used; the message says what was given, what is allowed and what to do."""


class AudioError(InputError):
    """A recording that cannot be used."""


class LabelError(InputError):
    """An alignment that cannot be used; the message says which file, which line, and what was expected."""


class ModelError(InputError):
    """A checkpoint that cannot be used."""


class SiteError(InputError):
    """A site, block or head that the model does not have."""


class OutputError(OtoscopeError):
    """A result that cannot be written: it exists already, the folder is not writable, the disk is full."""


class TrainingDivergedError(OtoscopeError):
    """The loss of a dictionary diverged, or is no longer a finite number."""


class OtoscopeWarning(UserWarning):
    """Something that a reader of a result should know: the result is valid, but may be misread without it."""
