"""What stands against reading a Maildir; the docstring of each is what a person is told."""

from __future__ import annotations


class MaildirError(Exception):
    """cannot be used as a Maildir"""

    def __init__(self, path: object) -> None:
        self.path = str(path)
        super().__init__(f"{self.path}: {self.__doc__}")


class MaildirMissing(MaildirError):
    """there is no such folder"""


class NotAFolder(MaildirError):
    """this is a file, not a folder"""


class MaildirUnreadable(MaildirError):
    """no permission to read this folder"""


class MaildirFails(MaildirError):
    """the file system does not let this folder be read"""

    def __init__(self, path: object, error: OSError) -> None:
        super().__init__(path)
        self.args = (f"{self.args[0]}: {error.strerror or error}",)


class NotAMaildir(MaildirError):
    """not a Maildir: cur/ and new/ are missing, and there are no .eml files"""


class FolderUnreadable(MaildirError):
    """this folder cannot be read, its mails are left out of the scan"""

    def __init__(self, path: object, folder: str) -> None:
        self.folder = folder
        super().__init__(path)


class ScanIncomplete(MaildirError):
    """some folders could not be read"""

    def __init__(self, path: object, errors: list[FolderUnreadable]) -> None:
        self.errors = errors
        super().__init__(path)
