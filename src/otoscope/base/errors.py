"""Every error that otoscope raises on purpose.

OtoscopeError
├── InputError            what the user gave cannot be used, and the user can fix it
│   ├── AudioError        a recording
│   ├── LabelError        an alignment: words and phones in time
│   ├── ModelError        a checkpoint
│   └── SiteError         a site, block or head
├── OutputError           a result that cannot be written
└── TrainingDivergedError a dictionary whose loss grew without end

A message has three parts: what came (name and value), what is allowed, what to do. What does not stop the work is an
`OtoscopeWarning`.
"""


class OtoscopeError(Exception):
    """Everything that otoscope raises on purpose."""


class InputError(OtoscopeError):
    """What came in cannot be used; the message says what came, what is allowed and what to do."""


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
    """The loss of a dictionary grew without end, or is no number any more."""


class OtoscopeWarning(UserWarning):
    """Something that whoever reads a result should know: it stands, but not quite as one might take it."""
