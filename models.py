"""All Peewee tables and the queries named by what they are for; the areas lie in tables/.

The schema itself is made by migrations/; a test compares the two. `db` is deferred: a process binds
it with `bind` when it has work to do, never at import (rq forks, and a connection must not be shared).
"""

from mrilu.tables.archive import (
    FileCounts,
    Here,
    Location,
    Maildir,
    Message,
    Rejected,
    SubjectEntry,
    Thread,
    ThreadEdge,
    ThreadLink,
    Withholding,
)
from mrilu.tables.base import IDLE_IN_TRANSACTION, BaseModel, bind, db, session_options
from mrilu.tables.dictionary import (
    Definition,
    DefinitionVersion,
    Keyword,
    Language,
    Sentence,
    Source,
    Word,
)
from mrilu.tables.embeddings import Embedded, Embedding, EmbeddingModel
from mrilu.tables.exports import CachedExport, FailedExport
from mrilu.tables.folders import (
    LedgerCheck,
    MaildirPlace,
    MailFolder,
    RemovedMessage,
    Vanishing,
)
from mrilu.tables.names import DoubtedName, KnownList, Sender
from mrilu.tables.notifications import (
    Bounce,
    BounceFile,
    DeliveryReport,
    News,
    Notification,
    NotificationPause,
    RecipientPause,
    Subscriber,
    Subscription,
    SubscriptionLexeme,
    TokenKey,
)
from mrilu.tables.pgvector import HOLDS_VECTORS, lack_of_vectors
from mrilu.tables.postings import Posting, PostingCount, ThreadVersion
from mrilu.tables.quotes import Quote, QuoteSought, QuoteWait
from mrilu.tables.runs import JobRun
from mrilu.tables.totals import Hour, Total
from mrilu.tables.visibility import OPERATOR, Reader, Restriction, stranger, visible_to

DICTIONARY = (Source, Language, Word, Definition, DefinitionVersion, Keyword, Sentence)
NOTIFICATIONS = (
    Subscriber,
    Subscription,
    SubscriptionLexeme,
    News,
    Notification,
    NotificationPause,
    RecipientPause,
    Bounce,
    BounceFile,
    DeliveryReport,
    TokenKey,
)
EMBEDDINGS = (EmbeddingModel, Embedded, Embedding)
EXPORTS = (CachedExport, FailedExport)
FOLDERS = (MaildirPlace, MailFolder, Vanishing, RemovedMessage, LedgerCheck)
THREADS = (Thread, ThreadLink, ThreadEdge, SubjectEntry)
ARCHIVE = (
    Maildir,
    Message,
    Posting,
    PostingCount,
    ThreadVersion,
    Sender,
    KnownList,
    DoubtedName,
    Withholding,
    Location,
    Rejected,
    *THREADS,
    *FOLDERS,
)
QUOTES = (Quote, QuoteWait, QuoteSought)
ALL = (*ARCHIVE, *QUOTES, JobRun, Total, Hour, *DICTIONARY, *NOTIFICATIONS, *EMBEDDINGS, *EXPORTS)

__all__ = [
    "ALL",
    "DICTIONARY",
    "EMBEDDINGS",
    "EXPORTS",
    "HOLDS_VECTORS",
    "IDLE_IN_TRANSACTION",
    "NOTIFICATIONS",
    "OPERATOR",
    "BaseModel",
    "FileCounts",
    "Here",
    "Reader",
    "Restriction",
    "bind",
    "db",
    "lack_of_vectors",
    "session_options",
    "stranger",
    "visible_to",
    *(table.__name__ for table in ALL),
]
