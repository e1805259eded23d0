"""The advisory lock of all imports (mrilu/archive/threads.py says what it is for); who names it need not import."""

THREAD_LOCK = 0x74687265616473
LOCK = f"SELECT pg_advisory_xact_lock({THREAD_LOCK})"
